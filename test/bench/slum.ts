// `bun run bench:slum`: failover under load, a hundred thousand tenants, and the cost of a request, in about three minutes.
import { measureFailover } from "./failover.ts";
import { figureTable } from "./figure.ts";
import { measureHostRouting } from "./host-routing.ts";
import { measureManyTenants } from "./many-tenants.ts";

const PARTS = {
  failover: { measure: measureFailover, needs: [] },
  tenants: { measure: measureManyTenants, needs: ["wrk"] },
  routing: { measure: measureHostRouting, needs: ["wrk", "nginx"] },
} as const;

const wanted = Bun.argv.slice(2);
const say = (text: string) => process.stdout.write(text);

if (process.platform !== "linux") say("skipped: it reads /proc, which only Linux has\n");
else
  for (const [name, { measure, needs }] of Object.entries(PARTS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const missing = needs.filter((program) => Bun.which(program) === null);
    if (missing.length > 0) say(`skipped: ${name} needs ${missing.join(" and ")}\n`);
    else say(figureTable(await measure()));
  }
