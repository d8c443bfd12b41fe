// `bun run bench:soak [SCENARIO...]`: the figures that need no other proxy to compare with, against the compiled binary.
import { cpus, loadavg, release } from "node:os";
import { parseArgs } from "node:util";
import { bodies } from "./bodies.ts";
import { type Figure, passes, type Scenario, table } from "./figure.ts";
import { fuzz } from "./fuzz.ts";
import { hanging } from "./hanging.ts";
import { killed } from "./killed.ts";
import { kinds } from "./kinds.ts";
import { live } from "./live.ts";
import { million } from "./million.ts";
import { pauses } from "./pauses.ts";
import { stalled } from "./stalled.ts";

const SCENARIOS: readonly Scenario[] = [hanging, live, killed, fuzz, pauses, million, bodies, stalled, kinds];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: "string", default: "soak-results.json" },
    help: { type: "boolean", default: false },
  },
});
const unknown = positionals.filter((word) => SCENARIOS.every(({ name }) => name !== word));

if (values.help || unknown.length > 0) {
  say("bun run bench:soak [SCENARIO...] [--out FILE]\n\n");
  for (const { name, about } of SCENARIOS) say(`  ${name.padEnd(10)}${about}\n`);
  process.exitCode = values.help ? 0 : 2;
} else if (process.platform === "linux") await run();
else say("skipped: the scenarios read /proc, which only Linux has\n");

async function run(): Promise<void> {
  const figures: Figure[] = [];
  for (const scenario of SCENARIOS) {
    if (positionals.length > 0 && !positionals.includes(scenario.name)) continue;
    process.stderr.write(`${scenario.name}: ${scenario.about}\n`);
    const begun = performance.now();
    for (const figure of await scenario.run()) figures.push({ scenario: scenario.name, ...figure });
    process.stderr.write(`${scenario.name}: ${((performance.now() - begun) / 1_000).toFixed(1)} s\n`);
  }
  say(table(figures));
  const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, kernel: release() };
  const results = { schema: 1, at: new Date().toISOString(), machine, load: loadavg(), figures };
  await Bun.write(values.out, `${JSON.stringify(results, null, 2)}\n`);
  say(`written: ${values.out}\n`);
  process.exitCode = figures.every(passes) ? 0 : 1;
}

function say(text: string): void {
  process.stdout.write(text);
}
