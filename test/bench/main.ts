// `bun run bench`: `ten` against nginx, HAProxy and Caddy, same origins, same run, in turns; see docs/benchmarks.md.
import { cpus, release } from "node:os";
import { parseArgs } from "node:util";
import { allCells, quickCells } from "./cell.ts";
import { type Contender, type Home, OTHERS, startHome, startOther } from "./contender.ts";
import { measure, type Plan } from "./measure.ts";
import { type Row, summarise, table } from "./report.ts";
import { memoryMb } from "./usage.ts";

const USAGE = `bun run bench [--quick] [--only ten,haproxy] [--cells REGEX] [--rounds N] [--seconds N] [--out FILE]
`;
/** Long enough for a runtime that compiles what is hot to have done so. */
const WARM_UP_SECONDS = 4;

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: ["ten", ...OTHERS].join(",") },
    cells: { type: "string", default: "" },
    rounds: { type: "string" },
    seconds: { type: "string" },
    out: { type: "string", default: "bench-results.json" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) say(USAGE);
else {
  const missing = ["wrk", "nginx"].filter((program) => Bun.which(program) === null);
  if (process.platform !== "linux") say("skipped: the benchmark reads /proc, which only Linux has\n");
  else if (missing.length === 0) await run();
  else say(`skipped: ${missing.join(" and ")} not installed (wrk is the load, nginx the server behind)\n`);
}

async function run(): Promise<void> {
  const { quick } = values;
  const wanted = new RegExp(values.cells);
  const cells = (quick ? quickCells() : allCells()).filter(({ name }) => wanted.test(name));
  const plan: Plan = {
    rounds: Number(values.rounds ?? (quick ? 2 : 3)),
    seconds: Number(values.seconds ?? (quick ? 1 : 2)),
    warmUpSeconds: quick ? 0 : 1,
  };
  await using home = await startHome();
  await using opened = new AsyncDisposableStack();
  const contenders = await start(home, opened);
  say(`${contenders.map(({ name, version }) => `${name} ${version}`).join(", ")}\n`);

  const rows: Row[] = [];
  const [first] = cells;
  if (first)
    await measure(contenders, first, { rounds: 0, seconds: 0, warmUpSeconds: quick ? 1 : WARM_UP_SECONDS });
  for (const cell of cells) {
    const turns = await measure(contenders, cell, plan);
    const fresh = summarise(cell.name, turns);
    rows.push(...fresh);
    for (const row of fresh) process.stderr.write(progressOf(row));
  }
  const peaks = Object.fromEntries(contenders.map(({ name, pids }) => [name, memoryMb(pids).peak]));
  say(
    `\n${table(rows)}\npeak RSS: ${Object.entries(peaks)
      .map(([name, mb]) => `${name} ${mb.toFixed(0)} MB`)
      .join(", ")}\n`,
  );
  await write(contenders, plan, rows, peaks);
}

/** Those that `--only` names and that are installed. */
async function start(home: Home, opened: AsyncDisposableStack): Promise<Contender[]> {
  const contenders: Contender[] = [];
  for (const name of values.only.split(",")) {
    const contender = name === "ten" ? home.ten : await startOther(name, home.origins);
    if (contender === undefined) say(`skipped: ${name} is not installed\n`);
    else contenders.push(name === "ten" ? contender : opened.use(contender));
  }
  return contenders;
}

async function write(contenders: readonly Contender[], plan: Plan, rows: readonly Row[], peaks: object) {
  const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, kernel: release() };
  const versions = Object.fromEntries(contenders.map(({ name, version }) => [name, version]));
  const results = {
    schema: 1,
    at: new Date().toISOString(),
    machine,
    versions,
    plan,
    peakRssMb: peaks,
    rows,
  };
  await Bun.write(values.out, `${JSON.stringify(results, null, 2)}\n`);
  say(`written: ${values.out}\n`);
}

function progressOf({ cell, proxy, cpuMicros, tenRatio }: Row): string {
  return `${cell} ${proxy}: ${cpuMicros.toFixed(1)} µs${tenRatio === null ? "" : `, ten/${proxy} ${tenRatio.toFixed(2)}`}\n`;
}

function say(text: string): void {
  process.stdout.write(text);
}
