// `bun run bench:https`: seconds from nothing to https with a real authority (pebble), and what renewals cut of visitors and a WebSocket.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startSlumWith } from "../e2e/slum.ts";
import { startTen } from "../e2e/ten.ts";
import { freePort } from "../support/free-port.ts";
import { askByTls } from "../support/https-client.ts";
import { startOrigin } from "../support/origin.ts";
import { hasPebble, startPebble } from "../support/pebble.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";

const secs = (since: number) => ((performance.now() - since) / 1000).toFixed(2);
const APP = `Bun.serve({port:Number(process.env.PORT),hostname:process.env.HOST??"127.0.0.1",fetch(r,s){return s.upgrade(r)?undefined:new Response("ok")},websocket:{message(w,m){w.send(m)}}})`;
if (!hasPebble) say("skipped: pebble is not installed");
else {
  await ofTen();
  await ofSlum();
}
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
  let echoed = 0;
  let cut = 0;
  let served = 0;
  let failed = 0;
  let over = false;
  const socket = new WebSocket(`wss://127.0.0.1:${httpsPort}/`, {
    headers: { Host: "api.shop.test" },
    tls: { ca, serverName: "api.shop.test", rejectUnauthorized: false },
  } as never);
  socket.onclose = () => {
    if (!over) cut++;
  };
  socket.onmessage = () => {
    echoed++;
  };
  await new Promise((ok) => {
    socket.onopen = ok;
  });
  const visit = async (keep: boolean) => {
    while (!over) {
      try {
        const answer = await fetch(`https://127.0.0.1:${httpsPort}/`, {
          headers: { Host: "api.shop.test" },
          tls: { ca, serverName: "api.shop.test" },
          proxy: false,
          keepalive: keep,
        } as RequestInit);
        await answer.text();
        if (answer.status === 200) served++;
        else failed++;
      } catch {
        failed++;
      }
    }
  };
  const all = Promise.all([visit(true), visit(true), visit(false), visit(false)]);
  const serials = new Set<string>();
  for (let at = 0; at < 4; at++) {
    socket.send("x");
    serials.add((await ten.json<{ serial: string }>("cert", "renew", "api.shop.test")).serial);
  }
  const before = served;
  await until("served on", () => served > before + 20);
  socket.send("last");
  await until("echo", () => echoed === 5);
  over = true;
  await all;
  say(
    `4 renewals (${serials.size} serials) under load: ${served} served, ${failed} failed; WebSocket: ${echoed} of 5 echoes, ${cut} cut`,
  );
  socket.close();
}

async function ofSlum(): Promise<void> {
  using temp = createTempDir();
  const [port, httpsPort] = [await freePort(), await freePort()];
  await using pebble = await startPebble({ httpPort: port, tlsPort: httpsPort });
  await using origin = startOrigin(() => new Response("ok"));
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
  await slum.ok("server", "add", "one", origin.url);
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
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
