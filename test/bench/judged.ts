// `bun run bench:canary [SCENARIO...]`: real apps under real load behind the real binary, each with its story; beside it what peers' examples
// would decide over the same traffic, and what a rollout costs a request.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { formatTable } from "../../src/cli/table.ts";
import { startTen, type Ten } from "../e2e/ten.ts";
import { PRODUCTS } from "../sim/rollouts.ts";
import { same, type World } from "../sim/world.ts";
import { fractionsFrom } from "../support/random.ts";
import { until } from "../support/until.ts";
import { cpuMs } from "./usage.ts";

const HOST = "api.localhost";
const say = (text: string) => process.stdout.write(`${text}\n`);

/** Its version says how it does; a file beside it lets both fail at once. */
const APP = `
const { PORT, HOST, TEN_VERSION: version = "" } = process.env;
let inThisSecond = 0;
let isOutage = false;
setInterval(async () => {
  inThisSecond = 0;
  isOutage = await Bun.file(import.meta.dir + "/outage").exists();
}, 1000);
Bun.serve({ port: Number(PORT), hostname: HOST, reusePort: false, development: false, async fetch({ url }) {
  const path = url.slice(url.indexOf("/", 8));
  if (path === "/health") return new Response("ok");
  if (version.startsWith("crashes") && ++inThisSecond > 60) process.exit(1);
  const fails = version.startsWith("fails") || (version.startsWith("leaks") && Math.random() < 0.05) ||
    (isOutage && Math.random() < 0.3) || path === "/broken";
  if (version.startsWith("stalls") && Math.random() < 0.01) await Bun.sleep(1000);
  if (!path.startsWith("/quick")) await Bun.sleep(4 + Math.random() * 8);
  return new Response(fails ? "no" : version, { status: fails ? 500 : 200 });
} });
`;

const toml = (dir: string, more = "") => `
[settings]
health_check_interval = 1

[service.api]
command = ${JSON.stringify(process.execPath)}
args = [${JSON.stringify(join(dir, "app.ts"))}]
health = "/health"
drain_timeout = 5
${more}
`;

interface Seen {
  answers: number;
  errors: number;
}

/** So many a second, spread evenly, over the given paths by turns. */
function visitors(ten: Ten, perSecond: number, paths: readonly string[], seen: Seen): () => void {
  let turn = 0;
  const timer = setInterval(() => {
    const path = paths[turn++ % paths.length] ?? "/";
    ten.get(HOST, path).then(
      ({ status }) => {
        seen.answers += 1;
        if (status !== 200) seen.errors += 1;
      },
      () => {
        seen.errors += 1;
      },
    );
  }, 1000 / perSecond);
  return () => clearInterval(timer);
}

interface Scenario {
  readonly name: string;
  readonly version: string;
  readonly perSecond: number;
  readonly flags: readonly string[];
  readonly paths?: readonly string[];
  /** Both fail for a while. */
  readonly outage?: boolean;
  /** For the peers: the share of failures, from that of the stable. */
  readonly fault: World["fault"];
  readonly base?: number;
}

const QUICK = ["--steps", "10,50", "--every", "5s", "--notice", "5%", "--bake", "10s"];

const SCENARIOS: readonly Scenario[] = [
  { name: "good", version: "good-2", perSecond: 150, flags: QUICK, fault: same },
  { name: "5 % errors", version: "leaks", perSecond: 150, flags: QUICK, fault: (base) => base + 0.05 },
  {
    name: "+1 s on 1 % of answers",
    version: "stalls",
    perSecond: 150,
    flags: [...QUICK.slice(0, 2), "--every", "150s", "--bake", "0"],
    fault: same,
  },
  { name: "crash at 50 %", version: "crashes", perSecond: 150, flags: QUICK, fault: same },
  { name: "one request a second, fails all", version: "fails", perSecond: 1, flags: [], fault: () => 1 },
  {
    name: "both failing for 30 s",
    version: "good-3",
    perSecond: 150,
    flags: QUICK,
    outage: true,
    fault: same,
    base: 0.3,
  },
  {
    name: "a poller in fixed order, one path fails in both",
    version: "good-4",
    perSecond: 20,
    flags: ["--steps", "25,50", "--every", "10s", "--notice", "20%", "--bake", "0"],
    paths: ["/broken", ...Array.from({ length: 19 }, (_, n) => `/${n}`)],
    fault: same,
    base: 0.05,
  },
];

interface Story {
  readonly text: string;
  readonly seconds: number;
  readonly visitors: Seen;
}

async function play(ten: Ten, scenario: Scenario): Promise<Story> {
  const { version, perSecond, flags, paths = ["/"], outage } = scenario;
  const seen: Seen = { answers: 0, errors: 0 };
  const stop = visitors(ten, perSecond, paths, seen);
  await Bun.sleep(perSecond < 5 ? 15_000 : 5_000);
  const before = { ...seen };
  const began = performance.now();
  await ten.ok("deploy", `api:${version}`, "--canary", "--detach", ...flags);
  const file = join(ten.dir, "outage");
  if (outage) {
    writeFileSync(file, "");
    setTimeout(() => void Bun.file(file).delete(), 30_000);
  }
  const text = await until(
    `the rollout of ${version} is over`,
    async () => {
      const view = await ten.json<{ outcome: string | null; text: string }>("rollout", "api");
      await Bun.sleep(500);
      return view.outcome === null ? undefined : view.text;
    },
    900_000,
  );
  const seconds = (performance.now() - began) / 1000;
  stop();
  return {
    text,
    seconds,
    visitors: { answers: seen.answers - before.answers, errors: seen.errors - before.errors },
  };
}

/** What a peer's example decides over traffic like that: how often it takes it back, and after how long and how many bad answers. */
function peer(name: string, { perSecond, fault, base = 0 }: Scenario): string {
  const product = PRODUCTS[name];
  if (product === undefined) throw new Error(`no peer ${name}`);
  const random = fractionsFrom(1);
  const world: World = { perSecond, base, weather: "calm", fault };
  const ends = Array.from({ length: 100 }, () => product(world, random));
  const back = ends.filter(({ outcome }) => outcome === "rolled_back");
  const [middle] = back.toSorted((a, b) => a.seconds - b.seconds).slice(back.length >> 1);
  return middle === undefined ? "promoted" : `back ${back.length} %, ${middle.seconds} s, ${middle.harm} bad`;
}

async function stories(chosen: readonly string[]): Promise<void> {
  const rows: string[][] = [];
  for (const scenario of SCENARIOS.filter(({ name }) => chosen.length === 0 || chosen.includes(name))) {
    await using ten = await startTen({ toml: '[service.none]\ncommand = "true"\n', prepare });
    await ten.ok("deploy", "api:good");
    const { text, seconds, visitors: seen } = await play(ten, scenario);
    say(`${scenario.name}: ${text}`);
    rows.push([
      scenario.name,
      text.split(":")[0] ?? "",
      `${seconds.toFixed(0)} s`,
      `${seen.errors} of ${seen.answers}`,
      peer("flagger", scenario),
      peer("argo", scenario),
    ]);
  }
  const right = (heading: string) => ({ heading, align: "right" as const });
  const columns = [
    { heading: "version" },
    { heading: "outcome" },
    right("after"),
    right("errors seen"),
    { heading: "Flagger's example" },
    { heading: "Argo's example" },
  ];
  say(`\n${formatTable(columns, rows, (_, cell) => cell)}`);
}

function prepare(dir: string): void {
  writeFileSync(join(dir, "app.ts"), APP);
  writeFileSync(join(dir, "tenement.toml"), toml(dir));
}

/** CPU of the proxy a request at an even split: by weights alone, and while one is judged; in turns, so that both see the same machine. */
async function cost(): Promise<void> {
  await using ten = await startTen({ toml: '[service.none]\ncommand = "true"\n', prepare });
  await ten.ok("deploy", "api:good");
  await ten.ok("deploy", "api:good-2", "--weight", "50");
  const micros: Record<string, number[]> = { weights: [], judged: [] };
  for (let round = 0; round < 5; round++)
    for (const kind of ["weights", "judged"]) {
      if (kind === "judged") {
        await ten.ok("deploy", "api:good-2", "--canary", "--steps", "50", "--detach", "--limit", "1h");
        await ten.ok("hold", "api");
      } else await ten.ok("weight", "api:good-2", "50");
      micros[kind]?.push(await microsOf(ten.pid, ten.port));
    }
  const median = (values: readonly number[] = []) =>
    values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
  const [plain, judged] = [median(micros.weights), median(micros.judged)];
  say(
    `\nCPU of the proxy a request at 50/50: ${plain.toFixed(1)} us by weights, ${judged.toFixed(1)} us while judged: ${(judged / plain).toFixed(3)}`,
  );
}

async function microsOf(pid: number, port: number): Promise<number> {
  const before = cpuMs([pid]);
  const words = ["wrk", "-t1", "-c16", "-d4s", `--header=Host: ${HOST}`, `http://127.0.0.1:${port}/quick`];
  const { stdout } = Bun.spawnSync(words);
  const requests = Number(/(\d+) requests in/.exec(stdout.toString())?.[1]);
  return ((cpuMs([pid]) - before) * 1000) / requests;
}

const chosen = Bun.argv.slice(2);
if (!chosen.includes("cost")) await stories(chosen);
if (chosen.length === 0 || chosen.includes("cost")) await cost();
process.exit(0);
