// `bun run bench:https`: seconds from nothing to https with a real authority (pebble), what renewals and replaced files cut of visitors and a WebSocket, and 10,000 names.
import { X509Certificate } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startSlumWith } from "../e2e/slum.ts";
import { startTen } from "../e2e/ten.ts";
import { freePort } from "../support/free-port.ts";
import { askByTls } from "../support/https-client.ts";
import { makeAuthority, makeCertificate } from "../support/make-certificate.ts";
import { hasPebble, startPebble } from "../support/pebble.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { figureTable } from "./figure.ts";
import { measureNames } from "./https-names.ts";
import { missing, type Visits, visitDuring } from "./visitors-by-tls.ts";

const secs = (since: number) => ((performance.now() - since) / 1000).toFixed(2);
const APP = `Bun.serve({port:Number(process.env.PORT),hostname:process.env.HOST??"127.0.0.1",fetch(r,s){return s.upgrade(r)?undefined:new Response("ok")},websocket:{message(w,m){w.send(m)}}})`;
if (!hasPebble) say("skipped: pebble is not installed");
else {
  await ofTen();
  await ofSlum();
}
await ofFiles();
say(figureTable(await measureNames()));
process.exit(0);

async function ofTen(): Promise<void> {
  const [port, httpsPort] = [await freePort(), await freePort()];
  await using pebble = await startPebble({ httpPort: port, tlsPort: httpsPort });
  const svc = (n: string) => `[service.${n}]\ncommand = "bun"\nargs = ["app.ts"]\nhealth = "/"\n`;
  const began = performance.now();
  await using ten = await startTen({
    port,
    toml: `${svc("api")}${svc("web")}[acme]\nauthorities = ["${pebble.directory}"]\nroots = "roots.pem"\n`,
    serve: ["--https", "--https-port", String(httpsPort), "--domain", "shop.test", "--host", "127.0.0.1"],
    prepare(dir) {
      writeFileSync(join(dir, "roots.pem"), pebble.roots);
      writeFileSync(join(dir, "app.ts"), APP);
    },
  });
  const ca = await pebble.issuingRoot();
  for (const name of ["shop.test", "api.shop.test", "web.shop.test"])
    await until(
      name,
      () =>
        askByTls({ port: httpsPort, name, ca }).then(
          () => true,
          () => false,
        ),
      60_000,
    );
  say(`ten, two services: ${secs(began)} s from ten serve to three names by https (pebble, HTTP-01)`);
  await ten.ok("deploy", "api:v1");
  if (missing.length > 0)
    return say(`skipped: ${missing.join(" and ")} not installed (visitors during renewals)`);
  await renewUnderVisitors("ten", httpsPort, "api.shop.test", ca, (name) => ten.json("cert", "renew", name));
}

async function renewUnderVisitors(
  program: string,
  httpsPort: number,
  name: string,
  ca: string,
  renew: (name: string) => Promise<{ serial?: string }>,
): Promise<void> {
  const serials = new Set<string>();
  const visits = await visitDuring(httpsPort, name, ca, async () => {
    const { serial } = await renew(name);
    if (serial !== undefined) serials.add(serial);
    // After four the limit of five certificates a week for one name holds.
    else await Bun.sleep(500);
  });
  say(`${program}, ${serials.size} renewals: ${visitText(visits)}`);
}

function visitText({ requests, broken, refused, echoes, sent, cut }: Visits): string {
  return `${requests} requests of wrk, ${broken} socket errors, ${refused} answers from 400 up; WebSocket: ${echoes} of ${sent} echoes, ${cut} cut`;
}

async function ofSlum(): Promise<void> {
  using temp = createTempDir();
  const [port, httpsPort] = [await freePort(), await freePort()];
  await using pebble = await startPebble({ httpPort: port, tlsPort: httpsPort });
  await using origin = startEcho();
  writeFileSync(temp.file("roots.pem"), pebble.roots);
  const words = [
    "--https",
    "--https-port",
    String(httpsPort),
    "--domain",
    "slum.test",
    "--host",
    "127.0.0.1",
    "--acme",
    pebble.directory,
    "--acme-roots",
    temp.file("roots.pem"),
  ];
  const began = performance.now();
  await using slum = await startSlumWith({ words, port });
  await slum.ok("server", "add", "one", origin.url.origin);
  for (const id of ["a", "b", "c"]) await slum.ok("tenant", "add", id, `${id}.customer.test`, "one", "api");
  const ca = await pebble.issuingRoot();
  await Promise.all(
    ["a", "b", "c"].map((id) =>
      until(
        id,
        async () =>
          (await askByTls({ port: httpsPort, name: `${id}.customer.test`, ca }).catch(() => undefined))
            ?.status === 200,
        60_000,
      ),
    ),
  );
  say(`slum, three tenants: ${secs(began)} s from slum serve to three domains by https`);
  if (missing.length > 0) return;
  await renewUnderVisitors("slum", httpsPort, "a.customer.test", ca, (name) =>
    slum.json("cert", "renew", name),
  );
}

/** An app that echoes what comes by WebSocket. */
function startEcho() {
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("ok")),
    websocket: { message: (socket, message) => void socket.send(message) },
  });
}

/** Files of the operator's own, put in the place of those before. */
async function ofFiles(): Promise<void> {
  if (missing.length > 0) return;
  using temp = createTempDir();
  using certs = createTempDir();
  await using origin = startEcho();
  const [name, root, httpsPort] = ["a.customer.test", makeAuthority("bench root"), await freePort()];
  const serials = new Set<string>();
  const replace = async () => {
    const { certificate, key } = makeCertificate(root, { names: [name] });
    const draft = temp.file("draft");
    writeFileSync(draft, `${certificate}${key}`, { mode: 0o600 });
    renameSync(draft, certs.file("a.pem"));
    const serial = new X509Certificate(certificate).serialNumber;
    const isServed = async () =>
      (await askByTls({ port: httpsPort, name, ca: root.certificate })).certificate.serialNumber === serial;
    await until("the new file is served", isServed, 60_000);
    serials.add(serial);
  };
  const { certificate, key } = makeCertificate(root, { names: [name] });
  writeFileSync(certs.file("a.pem"), `${certificate}${key}`, { mode: 0o600 });
  const words = [
    "--https",
    "--https-port",
    String(httpsPort),
    "--host",
    "127.0.0.1",
    "--certificates",
    certs.path,
  ];
  await using slum = await startSlumWith({ words });
  await slum.ok("server", "add", "one", origin.url.origin);
  await slum.ok("tenant", "add", "a", name, "one", "api");
  const visits = await visitDuring(httpsPort, name, root.certificate, replace);
  say(`slum, ${serials.size} replaced files: ${visitText(visits)}`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
