// The way from one set-up to the next, with visitors all along: one machine, two, three regions, three slums on one PostgreSQL.
import { expect, test } from "bun:test";
import { startOrigin } from "../support/origin.ts";
import { hasPostgres, NEEDS_POSTGRES, startPostgres } from "../support/postgres.ts";
import { until } from "../support/until.ts";
import { type Slum, startSlum, startSlumWith } from "./slum.ts";

const HOST = "acme.example.com";
/** So many visits have to end well between two steps. */
const VISITS = 25;

/** Visitors who come one after the other, by each of the slums that are in front at that time. */
function visit(first: Slum) {
  let fronts: readonly Slum[] = [first];
  let isOver = false;
  let answered = 0;
  const failed: string[] = [];
  const bodies = new Set<string>();
  const running = (async () => {
    for (let turn = 0; !isOver; turn += 1) {
      const front = fronts[turn % fronts.length] ?? first;
      const answer = await front.get(HOST).catch((thrown) => ({ status: String(thrown), body: "" }));
      bodies.add(answer.body);
      if (answer.status === 200) answered += 1;
      else failed.push(`${answer.status} ${answer.body}`);
    }
  })();
  return {
    failed,
    bodies,
    use: (slums: readonly Slum[]) => {
      fronts = slums;
    },
    more: () => {
      const before = answered;
      return until("more visitors are served", () => answered >= before + VISITS);
    },
    async end() {
      isOver = true;
      await running;
    },
  };
}

test.skipIf(!hasPostgres)(
  `from simple to paranoid no visitor is left without an answer ${NEEDS_POSTGRES}`,
  async () => {
    await using postgres = await startPostgres();
    await using home = startOrigin(() => new Response("home"));
    await using second = startOrigin(() => new Response("second"));
    await using third = startOrigin(() => new Response("third"));

    // Simple: one slum, one tenement.
    await using slum = await startSlum();
    await slum.ok("server", "add", "iad", home.url);
    await slum.ok("tenant", "add", "acme", HOST, "iad", "api");
    const visitors = visit(slum);
    await visitors.more();

    // Basic HA: a second machine, which takes over while the first is away for maintenance.
    await slum.ok("server", "add", "fra", second.url);
    await visitors.more();
    await slum.ok("server", "drain", "iad");
    await until("the second serves", () => visitors.bodies.has("second"));
    await visitors.more();
    await slum.ok("server", "undrain", "iad");

    // Multi-region: a third, and the tenant moves its home there.
    await slum.ok("server", "add", "syd", third.url, "--region", "ap");
    await slum.ok("tenant", "move", "acme", "syd");
    await until("the third serves", () => visitors.bodies.has("third"));
    await visitors.more();

    // Full paranoid: the registry in PostgreSQL, three slums, and then the first one goes.
    const SLUM_DB = await postgres.createDatabase();
    await using one = await startSlumWith({ env: { SLUM_DB } });
    await one.ok("import", "--from", `${slum.dataDir}/slum.db`);
    await using two = await startSlumWith({ env: { SLUM_DB } });
    await using three = await startSlumWith({ env: { SLUM_DB } });
    for (const next of [one, two, three])
      await until("it knows the tenant", async () => (await next.get(HOST)).status === 200);
    visitors.use([slum, one, two, three]);
    await visitors.more();
    visitors.use([one, two, three]);
    await visitors.more();
    slum.kill("SIGTERM");
    expect(await slum.exited).toBe(0);
    await visitors.more();
    await visitors.end();
    expect(visitors.failed).toEqual([]);
  },
  240_000,
);
