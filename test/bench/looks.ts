// `bun run bench:looks`: a canary that fails one request in twenty at four requests a second, looked at 90 times: how often does the screen tell the truth?
import { startTen } from "../e2e/ten.ts";
import { writeRelease } from "../support/releases.ts";
import { type Figure, figureTable } from "./figure.ts";

const LOOKS = 90;
const LOOK_EVERY_MS = 1_000;
/** In all; a tenth of it goes to the canary. */
const REQUESTS_PER_SEC = 40;
const FAILS = 0.05;
const STEP_MS = 10_000;
/** Counters are read every two seconds, and a look takes a while. */
const LATE_MS = 4_000;

const APP = `
const { PORT, HOST: hostname, TEN_INSTANCE } = process.env;
Bun.serve({ port: Number(PORT), hostname, fetch: (request) => {
  if (new URL(request.url).pathname === "/health") return new Response("ok");
  const fails = TEN_INSTANCE.endsWith(":bad") && Math.random() < ${FAILS};
  return new Response("answer", { status: fails ? 500 : 200 });
} });
`;

interface Look {
  readonly instances: readonly { id: string; error_percent: number; error_window_secs: number }[];
  readonly services: readonly { comparison: { worse: string | null; trouble: string | null } }[];
}

/** What visitors got from the canary, and when. */
const answers: { readonly atMs: number; readonly hasFailed: boolean }[] = [];

await using ten = await startTen({
  toml: `[service.shop]\ncommand = ${JSON.stringify(`'${process.execPath}' app.ts`)}\nworkdir = "releases/{version}"\nhealth = "/health"\n`,
  prepare(dir) {
    for (const version of ["good", "bad"]) writeRelease(dir, version, "app.ts", APP);
  },
});
await ten.ok("deploy", "shop:good");
const load = setInterval(visit, 1_000 / REQUESTS_PER_SEC);
await Bun.sleep(10_000);
await ten.ok("deploy", "shop:bad", "--weight", "10");
const deployedMs = Date.now();
while (!answers.some(({ hasFailed }) => hasFailed)) await Bun.sleep(100);
await Bun.sleep(LATE_MS);

const seen = { nothing: 0, wrong: 0, named: 0, blamed: 0 };
let namedMs: number | undefined;
const shown: number[] = [];
for (let look = 0; look < LOOKS; look++) {
  const { instances, services } = await ten.json<Look>("ps", "--all");
  const nowMs = Date.now();
  const bad = instances.find(({ id }) => id === "shop:bad");
  const worse = services[0]?.comparison.worse;
  if (bad === undefined) throw new Error("the canary is not shown");
  shown.push(bad.error_percent);
  if (bad.error_percent === 0) seen.nothing += 1;
  else if (!isTrue(bad.error_percent, bad.error_window_secs * 1_000, nowMs)) seen.wrong += 1;
  if (worse === "bad") seen.named += 1;
  if (worse === "good") seen.blamed += 1;
  if (worse === "bad") namedMs ??= nowMs - deployedMs;
  await Bun.sleep(LOOK_EVERY_MS);
}
clearInterval(load);
const figures: Figure[] = [
  {
    what: "looks that showed the truth",
    value: `${LOOKS - seen.nothing - seen.wrong} of ${LOOKS}`,
    note: `${seen.nothing} showed 0 %, ${seen.wrong} what was not so`,
  },
  {
    what: "looks that named the canary as worse",
    value: `${seen.named} of ${LOOKS}`,
    note: `${seen.blamed} named the other`,
  },
  {
    what: "error share that was shown",
    value: `${Math.min(...shown)} to ${Math.max(...shown)} %`,
    note: `${answers.filter(({ hasFailed }) => hasFailed).length} of ${answers.length} answers of the canary had failed`,
  },
  {
    what: "named first after",
    value: namedMs === undefined ? "never" : `${Math.round(namedMs / 1_000)} s`,
    note: "since its deploy",
  },
];
process.stdout.write(`${figureTable(figures)}\n`);

async function visit(): Promise<void> {
  const { status, instance } = await ten.get("shop.localhost", "/");
  if (instance === "shop:bad") answers.push({ atMs: Date.now(), hasFailed: status >= 500 });
}

/** Whether it is the share of a window of that length, which begins with a step and ends when the counters were last read. */
function isTrue(percent: number, windowMs: number, nowMs: number): boolean {
  const shares: number[] = [];
  for (let lateMs = 0; lateMs <= LATE_MS; lateMs += 250)
    for (let moreMs = 0; moreMs <= STEP_MS; moreMs += 250) {
      const endMs = nowMs - lateMs;
      const within = answers.filter(({ atMs }) => atMs <= endMs && atMs > endMs - windowMs - moreMs);
      if (within.length > 0)
        shares.push((100 * within.filter(({ hasFailed }) => hasFailed).length) / within.length);
    }
  return percent >= Math.min(...shares) - 0.1 && percent <= Math.max(...shares) + 0.1;
}
