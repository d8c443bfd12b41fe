// A hundred instances under one supervisor: what starting, adopting and watching them costs, and what one that hangs does to the rest.
import { Database } from "bun:sqlite";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startTen, type Ten } from "../e2e/ten.ts";
import { until } from "../support/until.ts";
import { type Figure, ms, timed } from "./figure.ts";
import { median } from "./report.ts";
import { cpuMs, memoryMb } from "./usage.ts";

const COUNT = 100;
const HOST = "api.localhost";
/** The usual interval of checks is 10 s, so each instance is checked about twice. */
const REST_MS = 20_000;
const WATCH_MS = 8_000;

/** Writes down when it was checked. */
const APP = `
import { appendFileSync } from "node:fs";
const { PORT, HOST, CHECKS, TEN_INSTANCE } = process.env;
Bun.serve({
  port: Number(PORT),
  hostname: HOST,
  fetch(request) {
    if (request.url.endsWith("/health")) appendFileSync(CHECKS, \`\${TEN_INSTANCE} \${Date.now()}\\n\`);
    return new Response("ok");
  },
});
`;

const toml = (intervalSecs: number) => `
[settings]
health_check_interval = ${intervalSecs}

[service.api]
command = ${JSON.stringify(`'${process.execPath}' app.ts`)}
health = "/health"
startup_timeout = 60
stop_grace_period_secs = 1
env = { CHECKS = "{data_dir}/_checks" }
`;

export async function measureHundred(): Promise<Figure[]> {
  await using ten = await startTen({
    toml: toml(10),
    prepare: (dir) => void Bun.write(join(dir, "app.ts"), APP),
  });
  const empty = await atRest(ten);
  const byHandMs = await startByHand(ten.dir);
  const startMs = await timed(() => ten.ok("deploy", "api:v1", "--instances", String(COUNT)));
  const started = await atRest(ten);
  const before = pidsOf(ten);
  ten.kill("SIGKILL");
  await ten.exited;
  const begunAt = Date.now();
  const servedMs = await timed(async () => {
    await ten.start();
    await ten.get(HOST);
  });
  const checkedMs = (await checkedSince(ten, begunAt)) - begunAt;
  const same = Bun.deepEquals(pidsOf(ten), before) ? "same processes" : "OTHER PROCESSES";
  const adopted = await atRest(ten);
  return [
    { what: `start ${COUNT}`, value: ms(startMs), note: `${ms(byHandMs)} side by side without a supervisor` },
    {
      what: `adopt ${COUNT}, first answer`,
      value: ms(servedMs),
      note: `from the start of ten serve; ${same}`,
    },
    { what: `adopt ${COUNT}, each checked`, value: ms(checkedMs), note: "from the start of ten serve" },
    { what: "at rest, none", ...shown(empty) },
    { what: `at rest, ${COUNT} started`, ...shown(started) },
    { what: `at rest, ${COUNT} adopted`, ...shown(adopted) },
    ...(await beside(ten)),
  ];
}

/** The intervals between checks of all others, at one check a second each, before and while one does not answer. */
async function beside(ten: Ten): Promise<Figure[]> {
  await Bun.write(join(ten.dir, "tenement.toml"), toml(1));
  await ten.ok("reload");
  const [hung] = pidsOf(ten);
  const figures: Figure[] = [];
  for (const [what, signal] of [
    ["all well", undefined],
    ["one stopped", "SIGSTOP"],
  ] as const) {
    if (signal && hung) process.kill(hung, signal);
    const from = Date.now();
    await Bun.sleep(WATCH_MS);
    const gaps = gapsSince(ten, from).toSorted((a, b) => a - b);
    const note = `shortest ${ms(gaps[0] ?? 0)}, longest ${ms(gaps.at(-1) ?? 0)}, of ${gaps.length}`;
    figures.push({ what: `between two checks, ${what}`, value: ms(median(gaps)), note });
  }
  if (hung) process.kill(hung, "SIGCONT");
  return figures;
}

interface Rest {
  readonly rssMb: number;
  readonly cpuPercent: number;
}

async function atRest({ pid }: Ten): Promise<Rest> {
  // What the last command and the compiler have to do is not rest.
  await Bun.sleep(3_000);
  const before = cpuMs([pid]);
  await Bun.sleep(REST_MS);
  return { rssMb: memoryMb([pid]).now, cpuPercent: ((cpuMs([pid]) - before) / REST_MS) * 100 };
}

const shown = ({ rssMb, cpuPercent }: Rest) => ({
  value: `${rssMb.toFixed(0)} MB`,
  note: `${cpuPercent.toFixed(2)} % of one core`,
});

/** The same processes without a supervisor, until all of them have answered: what the machine itself takes. */
async function startByHand(dir: string): Promise<number> {
  const port = (index: number) => 30_000 + index;
  const children: Bun.Subprocess[] = [];
  const env = { HOST: "127.0.0.1", CHECKS: "/dev/null" };
  const tookMs = await timed(async () => {
    for (let index = 0; index < COUNT; index++) {
      const PORT = String(port(index));
      children.push(
        Bun.spawn([process.execPath, "app.ts"], {
          cwd: dir,
          env: { ...env, PORT },
          stdio: ["ignore", "ignore", "ignore"],
        }),
      );
    }
    const answers = (index: number) =>
      fetch(`http://127.0.0.1:${port(index)}/health`).then(
        () => true,
        () => false,
      );
    await Promise.all(children.map((_, index) => until("it answers", () => answers(index), 60_000)));
  });
  for (const child of children) child.kill("SIGKILL");
  await Promise.all(children.map((child) => child.exited));
  return tookMs;
}

interface Check {
  readonly instance: string;
  readonly atMs: number;
}

function checksSince({ dataDir }: Ten, fromMs: number): Check[] {
  const lines = readFileSync(join(dataDir, "_checks"), "utf8").trim().split("\n");
  return lines
    .map((line) => line.split(" "))
    .map(([instance = "", at]) => ({ instance, atMs: Number(at) }))
    .filter(({ atMs }) => atMs >= fromMs);
}

/** When the last of them had been checked once. */
function checkedSince(ten: Ten, fromMs: number): Promise<number> {
  return until(
    "all are checked",
    () => {
      const first = new Map(
        checksSince(ten, fromMs)
          .toReversed()
          .map(({ instance, atMs }) => [instance, atMs]),
      );
      return first.size === COUNT && Math.max(...first.values());
    },
    30_000,
  );
}

function gapsSince(ten: Ten, fromMs: number): number[] {
  const byInstance = Map.groupBy(checksSince(ten, fromMs), ({ instance }) => instance);
  return [...byInstance.values()].flatMap((checks) =>
    checks.slice(1).map(({ atMs }, index) => atMs - (checks[index]?.atMs ?? 0)),
  );
}

function pidsOf({ dataDir }: Ten): number[] {
  using database = new Database(join(dataDir, "ten.db"), { readonly: true });
  return database
    .query<{ pid: number }, []>("SELECT pid FROM instances ORDER BY seq")
    .all()
    .map(({ pid }) => pid);
}
