// slum with a certificate for each of 10,000 tenants' domains: what its start, its memory and a handshake cost, and what strangers' names lead to.
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { Records } from "../../src/certificates/records.ts";
import { createDirectoryStore } from "../../src/certificates/store/directory-store.ts";
import { systemClock } from "../../src/platform/time/clock.ts";
import { type Slum, startSlumWith } from "../e2e/slum.ts";
import { freePort } from "../support/free-port.ts";
import { askByTls } from "../support/https-client.ts";
import { makeAuthority, makeCertificate, type TestAuthority } from "../support/make-certificate.ts";
import { startOrigin } from "../support/origin.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { type Figure, ms, timed } from "./figure.ts";
import { domainOf, fill } from "./many-tenants.ts";
import { median } from "./report.ts";
import { memoryMb } from "./usage.ts";

const NAMES = 10_000;
const HANDSHAKES = 200;
const STARTS = 5;
const DAY_MS = 86_400_000;

export async function measureNames(): Promise<Figure[]> {
  using temp = createTempDir();
  chmodSync(temp.path, 0o700);
  await using origin = startOrigin(() => new Response("ok"));
  const root = makeAuthority("bench root");
  const own = makeCertificate(root, { names: ["127.0.0.1"] });
  let asked = 0;
  await using authority = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { cert: own.certificate, key: own.key },
    fetch() {
      asked += 1;
      return new Response("", { status: 503 });
    },
  });
  const database = temp.file("many.db");
  fill(database, [Number(new URL(origin.url).port)], NAMES);
  await Bun.write(temp.file("roots.pem"), root.certificate);
  await keepCertificates(root, temp.file("data"));
  const env = { SLUM_DATA_DIR: temp.file("data") };
  const httpsPort = await freePort();
  const acme = ["--acme", `${authority.url.origin}/dir`, "--acme-roots", temp.file("roots.pem")];
  const https = ["--https", "--https-port", String(httpsPort), ...acme];
  const begin = (words: readonly string[]) =>
    startSlumWith({ interval: 30, env, words: ["--db", database, ...words] });
  const plain = await measureStarts(() => begin([]));
  const secure = await measureStarts(() => begin(https));

  await using slum = await begin(https);
  const handshakes: number[] = [];
  for (let tenant = 0; tenant < HANDSHAKES; tenant += 1) {
    const name = domainOf(tenant * (NAMES / HANDSHAKES));
    handshakes.push(
      await timed(async () => {
        const { status } = await askByTls({ port: httpsPort, name, ca: root.certificate });
        if (status !== 200) throw new Error(`${name} answers ${status}`);
      }),
    );
  }
  const again: number[] = [];
  for (let at = 0; at < HANDSHAKES; at += 1)
    again.push(await timed(() => askByTls({ port: httpsPort, name: domainOf(0), ca: root.certificate })));
  let refused = 0;
  for (let at = 0; at < HANDSHAKES; at += 1)
    await askByTls({ port: httpsPort, name: `stranger${at}.example.org` }).catch(() => {
      refused += 1;
    });
  const list = await slum.json<{ certificates: { state: string }[] }>("cert", "list");
  const valid = list.certificates.filter(({ state }) => state === "valid").length;
  return [
    {
      what: `${NAMES} names: start`,
      value: ms(secure.startMs),
      note: `${ms(plain.startMs)} of the same tenants without https`,
    },
    {
      what: `${NAMES} names: memory`,
      value: `${secure.restMb.toFixed(0)} MB`,
      note: `${plain.restMb.toFixed(0)} MB of the same tenants without https; ${memoryMb([slum.pid]).now.toFixed(0)} MB after ${2 * HANDSHAKES} handshakes`,
    },
    {
      what: "first handshake of a name, and its request",
      value: `${median(handshakes).toFixed(1)} ms`,
      note: `slowest of ${HANDSHAKES}: ${Math.max(...handshakes).toFixed(1)} ms; of a name seen before: ${median(again).toFixed(1)} ms`,
    },
    {
      what: "names that are nobody's",
      value: `${refused} of ${HANDSHAKES} refused`,
      note: `${asked} requests to the authority in all; ${valid} certificates are valid`,
    },
  ];
}

/** As if each name had been ordered yesterday. */
async function keepCertificates(root: TestAuthority, dataDir: string): Promise<void> {
  const store = createDirectoryStore(join(dataDir, "_certificates"));
  const records = new Records(store, systemClock, () => {});
  const life = { notBefore: Date.now() - DAY_MS, notAfter: Date.now() + 89 * DAY_MS };
  for (let tenant = 0; tenant < NAMES; tenant += 1) {
    const name = domainOf(tenant);
    const { certificate, key } = makeCertificate(root, { names: [name], from: life.notBefore });
    const facts = {
      issuer: root.name,
      serial: String(tenant),
      life,
      renewAt: Date.now() + 60 * DAY_MS,
      isWindowed: true,
      askAt: Date.now() + DAY_MS,
    };
    await records.keep(records.make(name), facts, { chain: `${certificate}${root.certificate}`, key });
  }
  chmodSync(dataDir, 0o700);
}

async function measureStarts(begin: () => Promise<Slum>) {
  const starts: number[] = [];
  const memory: number[] = [];
  for (let round = 0; round < STARTS; round += 1) {
    let opened: Slum | undefined;
    starts.push(
      await timed(async () => {
        opened = await begin();
      }),
    );
    await opened?.ok("ps");
    memory.push(memoryMb([opened?.pid ?? 0]).now);
    await opened?.[Symbol.asyncDispose]();
  }
  return { startMs: median(starts), restMb: median(memory) };
}
