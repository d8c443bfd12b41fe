// `bun run bench:seeing`: what it costs a request to be counted, and to have its line in the access log, in turns.
import { startTen } from "../e2e/ten.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { allCells } from "./cell.ts";
import type { Contender } from "./contender.ts";
import { figureTable } from "./figure.ts";
import { measure } from "./measure.ts";
import { originToml } from "./origin.ts";
import { median } from "./report.ts";
import { buildUncounted } from "./uncounted.ts";

/** What is on: nothing at all, the counts, and the access log beside them. */
const KINDS = ["nothing", "counts", "errors", "all"] as const;
const CELLS = ["1k x16", "1k x64", "1k x64 browser"];
const PLAN = { rounds: 7, seconds: 2, warmUpSeconds: 3 };

const missing = ["wrk", "nginx"].filter((program) => Bun.which(program) === null);
if (missing.length > 0) process.stdout.write(`skipped: ${missing.join(" and ")} not installed\n`);
else await run();
process.exit(0);

async function run(): Promise<void> {
  using dir = createTempDir();
  using uncountedDir = createTempDir();
  const uncounted = await buildUncounted(uncountedDir.path);
  await using opened = new AsyncDisposableStack();
  const contenders: Contender[] = [];
  for (const kind of KINDS) {
    const log = kind === "nothing" || kind === "counts" ? "off" : kind;
    const toml = originToml(dir.path).replace("[service.one]", `[service.one]\naccess_log = "${log}"`);
    const ten = opened.use(await startTen({ toml, ...(kind === "nothing" && { binary: uncounted }) }));
    await until("its origins are healthy", async () => {
      const { instances } = await ten.json<{ instances: { state: string }[] }>("ps");
      return instances.filter(({ state }) => state === "healthy").length === 2;
    });
    const { port, pid } = ten;
    contenders.push({
      name: kind,
      version: "",
      port,
      tlsPort: 0,
      pids: [pid],
      [Symbol.asyncDispose]: async () => {},
    });
  }
  const figures = [];
  for (const cell of allCells().filter(({ name }) => CELLS.includes(name))) {
    const turns = await measure(contenders, cell, PLAN);
    const of = (kind: string) => turns.get(kind)?.map(({ cpuMicros }) => cpuMicros) ?? [];
    for (const [kind, beside] of [
      ["counts", "nothing"],
      ["errors", "counts"],
      ["errors", "nothing"],
      ["all", "counts"],
    ] as const) {
      const without = of(beside);
      const ratios = of(kind).map((micros, round) => micros / (without[round] ?? Number.NaN));
      const note = `${Math.min(...of(kind)).toFixed(2)} µs of CPU a request at least, ${Math.min(...without).toFixed(2)} with ${beside}`;
      figures.push({ what: `${cell.name}: ${kind} to ${beside}`, value: median(ratios).toFixed(3), note });
    }
  }
  process.stdout.write(`${figureTable(figures)}\n`);
}
