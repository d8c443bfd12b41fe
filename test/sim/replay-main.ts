// `bun run sim:replay [--rollouts N] [--log FILE] [--only VERSION] [--rate N] [--seed N]`: a load with random labels through the data plane's own counters; how many good
// versions are taken back, and whether bad ones are found as the preview promises.
import { readFileSync } from "node:fs";
import { formatTable } from "../../src/cli/table.ts";
import { fractionsFrom } from "../support/random.ts";
import { type Fault, NO_FAULT, promisedMs, replay } from "./replay.ts";
import { createLoad, readLog } from "./visitors.ts";

const args = Bun.argv.slice(2);
const given = (name: string) => {
  const at = args.indexOf(name);
  return at < 0 ? undefined : args[at + 1];
};
const times = Number(given("--rollouts") ?? 1_000);
const log = given("--log");
const only = given("--only");
const seed = Number(given("--seed") ?? 2026);
const text = log === undefined ? undefined : readFileSync(log, "utf8");

const FAULTS: Readonly<Record<string, readonly [points: number | undefined, fault: Fault]>> = {
  "the same binary": [undefined, NO_FAULT],
  "fails all": [1, () => ({ fails: true, ms: 1 })],
  "+20 points": [0.2, (request, random) => ({ ...request, fails: request.fails || random() < 0.2 })],
  "+5 points": [0.05, (request, random) => ({ ...request, fails: request.fails || random() < 0.05 })],
  "one route fails": [
    undefined,
    (request) => ({ ...request, fails: request.fails || request.path === "/cart" }),
  ],
  "twice as slow": [undefined, (request) => ({ ...request, ms: request.ms * 2 })],
  "+1 s on 1 %": [
    undefined,
    (request, random) => ({ ...request, ms: request.ms + (random() < 0.01 ? 1_000 : 0) }),
  ],
};

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1];

function row(name: string, perSecond: number, isSticky: boolean): string[] {
  const [points, fault] = FAULTS[name] ?? [undefined, NO_FAULT];
  const count = name === "the same binary" ? times : Math.ceil(times / 10);
  const random = fractionsFrom(seed);
  const ends = Array.from({ length: count }, () => {
    const recorded = text === undefined ? undefined : readLog(text, random);
    const rate = recorded?.perSecond ?? perSecond;
    const load = recorded?.load ?? createLoad(random, rate);
    return replay({ perSecond: rate, load, fault, isSticky, random });
  });
  const back = ends.filter(({ outcome }) => outcome === "rolled_back");
  const held = ends.filter(({ outcome }) => outcome === "held").length;
  const [first] = ends;
  const promised =
    points === undefined || first === undefined ? "" : promisedMs(first.plan, perSecond, points);
  return [
    `${name}, ${text === undefined ? `${perSecond}/s` : log}${isSticky ? ", sticky" : ""}`,
    `${back.length} of ${count}`,
    String(ends.length - back.length - held),
    String(held),
    back.length === 0 ? "" : `${median(back.map(({ seconds }) => seconds))} s`,
    typeof promised === "number" ? `${Math.round(promised / 1000)} s` : "",
    back.length === 0 ? "" : String(median(back.map(({ harm }) => harm))),
  ];
}

const right = (heading: string) => ({ heading, align: "right" as const });
const columns = [
  { heading: "version, load" },
  ...["taken back", "promoted", "held", "median", "promised", "bad answers"].map(right),
];
const rate = given("--rate");
const rates = text !== undefined ? [0] : rate === undefined ? [10, 50] : [Number(rate)];
const rows = rates.flatMap((rate) =>
  Object.keys(FAULTS)
    .filter((name) => only === undefined || name === only)
    .flatMap((name) => [row(name, rate, false), ...(text === undefined ? [row(name, rate, true)] : [])]),
);
process.stdout.write(formatTable(columns, rows, (_, cell) => cell));
