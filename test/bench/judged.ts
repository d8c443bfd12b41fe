// `bun run bench:canary [SCENARIO|cost|latency|restarts...]`: real apps under real load behind the real binary, each with its story; beside it
// what peers' examples would decide over the same traffic; what a rollout and copies of requests cost; and what follows a kill -9.
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
  /** The old version answers what the canary fails. */
  readonly rescue?: boolean;
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
  // Two of the three above that have flags or a load of their own, with those of the others; the third, at one request a second, is refused with them.
  {
    name: "+1 s on 1 % of answers, flags as the others",
    version: "stalls",
    perSecond: 150,
    flags: QUICK,
    fault: same,
  },
  {
    name: "a poller in fixed order, load and flags as the others",
    version: "good-5",
    perSecond: 150,
    flags: QUICK,
    paths: ["/broken", ...Array.from({ length: 19 }, (_, n) => `/${n}`)],
    fault: same,
    base: 0.05,
  },
  // With `rescue`.
  {
    name: "5 % errors, rescued",
    version: "leaks",
    perSecond: 150,
    flags: QUICK,
    rescue: true,
    fault: (base) => base + 0.05,
  },
  {
    name: "one request a second, fails all, rescued",
    version: "fails",
    perSecond: 1,
    flags: [],
    rescue: true,
    fault: () => 1,
  },
  // No visitor is on it before copies have been answered.
  {
    name: "5 % errors, 200 copies first",
    version: "leaks",
    perSecond: 150,
    flags: [...QUICK, "--shadow-first", "200"],
    fault: (base) => base + 0.05,
  },
];

interface Story {
  readonly text: string;
  readonly seconds: number;
  readonly visitors: Seen;
  readonly rescued: number;
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
  const { text, harm } = await until(
    `the rollout of ${version} is over`,
    async () => {
      const view = await ten.json<{ outcome: string | null; text: string; harm: { rescued: number } }>(
        "rollout",
        "api",
      );
      await Bun.sleep(500);
      return view.outcome === null ? undefined : view;
    },
    900_000,
  );
  const seconds = (performance.now() - began) / 1000;
  stop();
  return {
    text,
    seconds,
    rescued: harm.rescued,
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
    await using ten = await startTen({
      toml: '[service.none]\ncommand = "true"\n',
      prepare: preparing(scenario.rescue),
    });
    await ten.ok("deploy", "api:good");
    const { text, seconds, rescued, visitors: seen } = await play(ten, scenario);
    say(`${scenario.name}: ${text}`);
    rows.push([
      scenario.name,
      text.split(":")[0] ?? "",
      `${seconds.toFixed(0)} s`,
      `${seen.errors} of ${seen.answers}`,
      String(rescued),
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
    right("rescued"),
    { heading: "Flagger's example" },
    { heading: "Argo's example" },
  ];
  say(`\n${formatTable(columns, rows, (_, cell) => cell)}`);
}

const preparing = (rescue = false, settings = "") =>
  function prepare(dir: string): void {
    writeFileSync(join(dir, "app.ts"), APP);
    const more = rescue ? "rescue = true\nrescue_errors = true\n" : "";
    writeFileSync(
      join(dir, "tenement.toml"),
      toml(dir, more).replace("[settings]\n", `[settings]\n${settings}`),
    );
  };
const prepare = preparing();

const least = (values: readonly number[] = []) => Math.min(...values);

/**
 * CPU of the proxy a request: at an even split by weights alone, and while one is judged; with everything at the old version, and
 * with a tenth of that copied. In turns, and of each the least: what else a machine does only adds to it.
 */
async function cost(): Promise<void> {
  await using ten = await startTen({ toml: '[service.none]\ncommand = "true"\n', prepare });
  await ten.ok("deploy", "api:good");
  await ten.ok("deploy", "api:good-2", "--weight", "50");
  const micros: Record<string, number[]> = { weights: [], judged: [], alone: [], copied: [] };
  let copies = 0;
  for (let round = 0; round < 7; round++)
    for (const kind of Object.keys(micros)) {
      if (kind === "judged") {
        await ten.ok("deploy", "api:good-2", "--canary", "--steps", "50", "--detach", "--limit", "1h");
        await ten.ok("hold", "api");
      } else await ten.ok("weight", "api:good=100", kind === "weights" ? "api:good-2=100" : "api:good-2=0");
      if (kind === "copied") await ten.ok("shadow", "api", "--to", "good-2", "--sample", "10%");
      micros[kind]?.push(await microsOf(ten.pid, ten.port));
      if (kind !== "copied") continue;
      copies = (await ten.json<{ copies: number }>("shadow", "api")).copies;
      await ten.ok("shadow", "api", "off");
    }
  const [plain, judged] = [least(micros.weights), least(micros.judged)];
  const [alone, copied] = [least(micros.alone), least(micros.copied)];
  say(
    `\nCPU of the proxy a request at 50/50: ${plain.toFixed(1)} us by weights, ${judged.toFixed(1)} us while judged: ${(judged / plain).toFixed(3)}`,
  );
  say(
    `CPU of the proxy a request at 100/0: ${alone.toFixed(1)} us, ${copied.toFixed(1)} us with 10 % copied (${copies} pairs in the last turn): ${(copied / alone).toFixed(3)}`,
  );
}

/**
 * What visitors wait, at a steady rate far below the most, without copies and with a tenth copied: in turns of two seconds, and of each
 * the least, as what else a machine does only adds to it.
 */
async function latency(): Promise<void> {
  await using ten = await startTen({ toml: '[service.none]\ncommand = "true"\n', prepare });
  await ten.ok("deploy", "api:good");
  await ten.ok("deploy", "api:good-2");
  const turns: Record<string, { readonly middle: number; readonly most: number }[]> = {
    alone: [],
    copied: [],
  };
  let copies = 0;
  for (let round = 0; round < 12; round++)
    for (const kind of ["alone", "copied"]) {
      if (kind === "copied") await ten.ok("shadow", "api", "--to", "good-2", "--sample", "10%");
      const seen: Promise<number>[] = [];
      const timer = setInterval(() => {
        const began = performance.now();
        seen.push(ten.get(HOST, "/quick").then(() => performance.now() - began));
      }, 5);
      await Bun.sleep(2_000);
      clearInterval(timer);
      const sorted = (await Promise.all(seen)).sort((a, b) => a - b);
      const at = (part: number) => sorted[Math.floor(part * sorted.length)] ?? Number.NaN;
      turns[kind]?.push({ middle: at(0.5), most: at(0.95) });
      if (kind === "alone") continue;
      copies += (await ten.json<{ copies: number }>("shadow", "api")).copies;
      await ten.ok("shadow", "api", "off");
    }
  for (const [kind, all] of Object.entries(turns))
    say(
      `${kind}: of ${all.length} turns the least median ${least(all.map(({ middle }) => middle)).toFixed(2)} ms, the least 95 % ${least(all.map(({ most }) => most)).toFixed(2)} ms`,
    );
  say(`${copies} pairs`);
}

/** `kill -9` of \`ten serve\` at each step, started again at once: what followed. */
async function restarts(): Promise<void> {
  for (const workers of [1, 2]) {
    await using ten = await startTen({
      toml: '[service.none]\ncommand = "true"\n',
      prepare: preparing(false, `workers = ${workers}\n`),
    });
    await ten.ok("deploy", "api:good");
    const seen: Seen = { answers: 0, errors: 0 };
    const stop = visitors(ten, 100, ["/"], seen);
    await Bun.sleep(5_000);
    await ten.ok("deploy", "api:good-2", "--canary", "--detach", "--shadow-first", "100", ...QUICK);
    const view = () =>
      ten.json<{ share: number; phase: string; outcome: string | null; text: string }>("rollout", "api");
    for (const at of ["copies", "10 %", "50 %", "100 %"]) {
      const isThere = async () => {
        const { share, phase } = await view();
        return at === "copies" ? phase === "shadow" : share >= Number.parseFloat(at);
      };
      await until(at, isThere, 120_000);
      const before = { ...seen };
      const began = performance.now();
      ten.kill("SIGKILL");
      await ten.exited;
      await ten.start();
      const awayMs = performance.now() - began;
      const after = await view();
      await Bun.sleep(2_000);
      const [answers, errors] = [seen.answers - before.answers, seen.errors - before.errors];
      say(
        `${workers} workers, killed at ${at}: back after ${Math.round(awayMs)} ms at ${after.phase} ${after.share} %, ${errors} of ${answers + errors} requests failed in the two seconds around it`,
      );
    }
    const end = await until(
      "it is over",
      async () => {
        const now = await view();
        return now.outcome === null ? undefined : now;
      },
      120_000,
    );
    stop();
    say(`${workers} workers: ${end.text}`);
  }
}

async function microsOf(pid: number, port: number): Promise<number> {
  const before = cpuMs([pid]);
  const words = ["wrk", "-t1", "-c16", "-d3s", `--header=Host: ${HOST}`, `http://127.0.0.1:${port}/quick`];
  const { stdout } = Bun.spawnSync(words);
  const requests = Number(/(\d+) requests in/.exec(stdout.toString())?.[1]);
  return ((cpuMs([pid]) - before) * 1000) / requests;
}

const PARTS = { cost, latency, restarts };
const chosen = Bun.argv.slice(2);
const isPart = (word: string) => word in PARTS;
if (chosen.length === 0 || !chosen.every(isPart)) await stories(chosen.filter((word) => !isPart(word)));
for (const [name, part] of Object.entries(PARTS))
  if (chosen.length === 0 || chosen.includes(name)) await part();
process.exit(0);
