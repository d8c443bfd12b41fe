// Three slums on one PostgreSQL with https: one order a name whoever is asked, and what the dead have ordered is taken up by the living.
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { SQL } from "bun";
import { freePort } from "../support/free-port.ts";
import { askByTls } from "../support/https-client.ts";
import { startOrigin } from "../support/origin.ts";
import { hasPebble, NEEDS_PEBBLE, startPebble } from "../support/pebble.ts";
import { hasPostgres, NEEDS_POSTGRES, startPostgres } from "../support/postgres.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { type Slum, startSlumWith } from "./slum.ts";

const RUN = hasPebble && hasPostgres;
const COUNT = 3;

test.if(RUN)(
  `three slums order a name once, also when the one that does is killed in the middle ${NEEDS_PEBBLE} ${NEEDS_POSTGRES}`,
  async () => {
    using temp = createTempDir();
    await using opened = new AsyncDisposableStack();
    const slums: Slum[] = [];
    const dead = new Set<Slum>();
    // In front of them, as a balancer is: whoever lives answers the authority, whichever has ordered.
    const balancer = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch({ url, headers }) {
        const living = slums.find((slum) => !dead.has(slum));
        const { body, status } = (await living?.get(headers.get("host") ?? "", new URL(url).pathname)) ?? {
          body: "",
          status: 503,
        };
        return new Response(body, { status });
      },
    });
    opened.defer(() => balancer.stop(true));
    const [postgres, pebble] = await Promise.all([
      startPostgres(),
      // It takes its time.
      startPebble({
        httpPort: balancer.port ?? 0,
        env: { PEBBLE_VA_NOSLEEP: "0", PEBBLE_VA_SLEEPTIME: "3" },
      }),
    ]);
    opened.use(postgres);
    opened.use(pebble);
    const origin = opened.use(startOrigin(() => new Response("ok")));
    const database = await postgres.createDatabase();
    writeFileSync(temp.file("roots.pem"), pebble.roots);
    writeFileSync(temp.file("key"), `${Buffer.alloc(32, 7).toString("base64")}\n`, { mode: 0o600 });
    const ports = await Promise.all(Array.from({ length: COUNT }, freePort));
    const words = ["--domain", "slum.test", "--host", "127.0.0.1", "--key-file", temp.file("key")];
    const acme = ["--acme", pebble.directory, "--acme-roots", temp.file("roots.pem")];
    for (const httpsPort of ports) {
      const https = ["--https", "--https-port", String(httpsPort)];
      const env = { SLUM_DB: database };
      slums.push(opened.use(await startSlumWith({ words: [...words, ...https, ...acme], env })));
    }
    const [first] = slums as [Slum];
    const sql = new SQL({ url: database, max: 1 });
    opened.defer(() => sql.close());
    const ca = await pebble.issuingRoot();
    const serialAt = async (place: number, name: string) => {
      const seen = await askByTls({ port: ports[place] ?? 0, name, ca }).catch(() => undefined);
      return seen?.status === 200 ? seen.certificate.serialNumber : undefined;
    };
    const issuedFor = async (name: string) => {
      const all = await first.json<{ events: { kind: string; detail: string }[] }>(
        "events",
        "--limit",
        "1000",
      );
      return all.events.filter(
        ({ kind, detail }) => kind === "certificate.issued" && detail.startsWith(name),
      );
    };

    await first.ok("server", "add", "iad", origin.url);
    await first.ok("tenant", "add", "one", "one.customer.test", "iad", "api");
    const serials = await Promise.all(
      ports.map((_, place) => until("it is served", () => serialAt(place, "one.customer.test"), 60_000)),
    );
    expect(new Set(serials).size).toBe(1);
    expect((await issuedFor("one.customer.test")).length).toBe(1);
    const rows = await sql`SELECT kind, text FROM slum_certificates WHERE kind <> 'name'`;
    expect(rows.length).toBeGreaterThan(2);
    for (const { text } of rows) expect(text ?? "").not.toMatch(/PRIVATE KEY|BEGIN CERTIFICATE/);

    // The one that orders is killed while the authority validates.
    await first.ok("tenant", "add", "two", "two.customer.test", "iad", "api");
    const holder = await until("its order is placed", async () => {
      const [order] =
        await sql`SELECT key FROM slum_certificates WHERE kind = 'order' AND key = 'two.customer.test' AND text IS NOT NULL`;
      const [lease] = await sql`SELECT holder FROM slum_certificate_leases WHERE key = 'two.customer.test'`;
      return order && (lease?.holder as string | undefined);
    });
    const ids = await Promise.all(slums.map(idOf));
    const place = ids.indexOf(holder);
    expect(place).toBeGreaterThanOrEqual(0);
    const killed = slums[place] as Slum;
    dead.add(killed);
    killed.kill("SIGKILL");
    await killed.exited;
    // The minute that its lease lasts is over at once.
    await sql`UPDATE slum_certificate_leases SET until = 0 WHERE holder = ${holder}`;
    const living = ports.map((_, at) => at).filter((at) => at !== place);
    const after = await Promise.all(
      living.map((at) => until("the others serve it", () => serialAt(at, "two.customer.test"), 90_000)),
    );
    expect(new Set(after).size).toBe(1);
    if (killed === first) await killed.start();
    expect((await issuedFor("two.customer.test")).length).toBe(1);
  },
  240_000,
);

/** As it calls itself to the others. */
async function idOf(slum: Slum): Promise<string> {
  const { body } = await slum.get("localhost", "/health");
  return (JSON.parse(body) as { slum: string }).slum;
}
