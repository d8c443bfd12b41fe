// `bun run sim:canary [SECTION...] [--rollouts N]`: what the judge costs and finds, as tables, so that a change of it shows its price.
import { formatTable } from "../../src/cli/table.ts";
import { fractionsFrom } from "../support/random.ts";
import { baked } from "./bake.ts";
import type { Random } from "./chance.ts";
import { TIMES_RULES } from "./latency.ts";
import { polled } from "./order.ts";
import { type End, PRODUCTS } from "./rollouts.ts";
import { RULES, watched } from "./rules.ts";
import { SHAPES, same, type Weather, type World } from "./world.ts";

const args = Bun.argv.slice(2);
const wanted = args.indexOf("--rollouts");
const times = wanted < 0 ? 1_000 : Number(args[wanted + 1]);
const chosen = args.filter((arg, i) => !arg.startsWith("--") && args[i - 1] !== "--rollouts");
if (!Number.isInteger(times) || times < 1) throw new Error("--rollouts takes a whole number from 1");

const plain = (_: unknown, text: string) => text;
const say = (text: string) => process.stdout.write(`${text}\n`);

function table(title: string, headings: readonly string[], rows: readonly (readonly string[])[]): void {
  const columns = headings.map((heading, i) => ({
    heading,
    align: i === 0 ? ("left" as const) : ("right" as const),
  }));
  say(`\n${title}\n`);
  say(
    formatTable(
      columns,
      rows.map((row) => [...row]),
      plain,
    ),
  );
}

const percent = (part: number) => String(Number((part * 100).toFixed(2)));
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1];

function each<T>(seed: number, make: (random: Random) => T, count = times): T[] {
  const random = fractionsFrom(seed);
  return Array.from({ length: count }, () => make(random));
}

const part = (ends: readonly End[], outcome: End["outcome"]) =>
  ends.filter((end) => end.outcome === outcome).length / ends.length;

const world = (perSecond: number, base: number, weather: Weather = "calm", fault = same): World => ({
  perSecond,
  base,
  weather,
  fault,
});

/** "1.2 %", and for ours what became of the others. */
function falsely(name: string, ends: readonly End[]): string {
  const back = percent(part(ends, "rolled_back"));
  const heldPart = part(ends, "held");
  return name === "ours" && heldPart > 0 ? `${back} (held ${percent(heldPart)})` : back;
}

function identical(): void {
  const rows = [
    [0, "calm", [0.1, 1, 10, 100]],
    [0.001, "calm", [1, 10, 100]],
    [0.01, "calm", [0.1, 1, 10, 100]],
    [0.05, "calm", [0.1, 1, 10, 100]],
    [0.01, "bad minutes", [1, 10, 100]],
    [0.01, "outage", [1, 10, 100]],
  ] as const;
  const lines = rows.flatMap(([base, weather, rates]) =>
    rates.map((rate) => {
      const cells = Object.entries(PRODUCTS).map(([name, product]) =>
        falsely(
          name,
          each(1, (random) => product(world(rate, base, weather), random)),
        ),
      );
      return [`${percent(base)} %, ${weather}, ${rate}/s`, ...cells];
    }),
  );
  table(
    `Identical versions that are taken back, % of ${times} rollouts`,
    ["base errors, weather, rate", ...Object.keys(PRODUCTS)],
    lines,
  );
}

function faulty(): void {
  const faults = [
    ["fails all", 0, () => 1, [0.1, 1, 10, 100]],
    ["+5 points", 0, (base: number) => base + 0.05, [1, 10, 100]],
    ["+1 point", 0, (base: number) => base + 0.01, [10, 100]],
    ["2x of 1 %", 0.01, (base: number) => base * 2, [10, 100]],
    ["3x of 1 %", 0.01, (base: number) => base * 3, [10, 100]],
    ["5x of 1 %", 0.01, (base: number) => base * 5, [1, 10]],
    ["3x of 5 %", 0.05, (base: number) => base * 3, [1, 10]],
  ] as const;
  const lines = faults.flatMap(([name, base, fault, rates]) =>
    rates.map((rate) => {
      const cells = Object.values(PRODUCTS).map((product) => {
        const ends = each(
          2,
          (random) => product(world(rate, base, "calm", fault), random),
          Math.ceil(times / 5),
        );
        const back = ends.filter(({ outcome }) => outcome === "rolled_back");
        if (back.length === 0) return "0";
        const seconds = median(back.map((end) => end.seconds));
        return `${Math.round((100 * back.length) / ends.length)} / ${seconds} / ${median(back.map(({ harm }) => harm))}`;
      });
      return [`${name}, ${rate}/s`, ...cells];
    }),
  );
  table(
    `Bad versions: taken back % / median s / median bad answers, of ${Math.ceil(times / 5)} rollouts`,
    ["fault, rate", ...Object.keys(PRODUCTS)],
    lines,
  );
}

function bakes(): void {
  const cases = [
    ["outage of both, 30 %", true, () => 0.3],
    ["canary +5 points", false, (base: number) => base + 0.05],
    ["canary +20 points", false, (base: number) => base + 0.2],
    ["canary fails all", false, () => 1],
  ] as const;
  const rates = [1, 10, 100];
  const lines = cases.map(([name, both, fault]) => [
    name,
    ...rates.map((rate) => {
      const ends = each(
        3,
        (random) => baked(world(rate, 0.01, "calm", fault), both, random),
        Math.ceil(times / 5),
      );
      const back = ends.filter(({ outcome }) => outcome === "rolled_back");
      const found = `${Math.round((1000 * back.length) / ends.length) / 10} %`;
      return both || back.length === 0
        ? found
        : `${found} / ${median(back.map(({ seconds }) => seconds))} s / ${median(back.map(({ harm }) => harm))}`;
    }),
  ]);
  table(
    `In the bake, base 1 %: taken back / median s / median bad answers, of ${Math.ceil(times / 5)}`,
    ["what happens", ...rates.map((rate) => `${rate}/s`)],
    lines,
  );
}

function latency(): void {
  const count = Math.ceil(times / 10);
  const shaped = (draw: World["times"], weather: Weather = "calm", rate = 10): World => ({
    ...world(rate, 0, weather),
    times: draw,
  });
  const lines = Object.entries(TIMES_RULES).map(([name, rule]) => {
    const falseAlarms = Object.values(SHAPES).map((draw) => {
      const ends = each(4, (random) => rule(shaped({ draw, slower: 1 }), random), count);
      return percent(ends.filter((end) => end !== undefined).length / count);
    });
    const draw = SHAPES["lognormal 1"] ?? (() => 1);
    const stormy = each(5, (random) => rule(shaped({ draw, slower: 1 }, "bad minutes"), random), count);
    const slow = each(6, (random) => rule(shaped({ draw, slower: 2 }), random), Math.ceil(count / 5));
    const found = slow.filter((end) => end !== undefined);
    return [
      name,
      ...falseAlarms,
      percent(stormy.filter((end) => end !== undefined).length / count),
      found.length === 0 ? "never" : `${Math.round((100 * found.length) / slow.length)} % / ${median(found)}`,
    ];
  });
  table(
    `Times: versions as fast that are taken back, % of ${count} plans of 30 min at 10/s; 2x slower (lognormal 1): found / median s`,
    ["rule", ...Object.keys(SHAPES), "bad minutes", "2x slower"],
    lines,
  );
}

function order(): void {
  const things = [2, 4, 5, 10, 20];
  const cell = (isDrawn: boolean) => (count: number) => {
    const ends = each(7, (random) => polled(count, isDrawn, random), Math.ceil(times / 5));
    const blamed = ends.filter((end) => end.blamed).length / ends.length;
    const blind = ends.filter((end) => !end.saw).length / ends.length;
    return `${Math.round(blamed * 100)} / ${Math.round(blind * 100)}`;
  };
  table(
    "A client of L routes in fixed order, one of which fails in both: v2 falsely taken back / never saw it, %",
    ["order of turns", ...things.map((count) => `L = ${count}`)],
    [
      ["exact", ...things.map(cell(false))],
      ["drawn within the period (ours)", ...things.map(cell(true))],
    ],
  );
}

function rules(): void {
  const count = Math.ceil(times / 5);
  const lines = Object.entries(RULES).map(([name, rule]) => {
    const worst = (weather: Weather) =>
      Math.max(
        ...[0.001, 0.01, 0.05].flatMap((base) =>
          [1, 10].map((rate) => {
            const ends = each(8, (random) => watched(rule, world(rate, base, weather), random), count);
            return ends.filter(({ seconds }) => seconds !== undefined).length / count;
          }),
        ),
      );
    const found = (fault: (base: number) => number, base: number) => {
      const ends = each(
        9,
        (random) => watched(rule, world(10, base, "calm", fault), random),
        Math.ceil(count / 4),
      );
      const back = ends.filter(({ seconds }) => seconds !== undefined);
      return back.length === 0
        ? "never"
        : `${Math.round((100 * back.length) / ends.length)} / ${median(back.map(({ seconds }) => seconds ?? 0))} / ${median(back.map(({ harm }) => harm))}`;
    };
    return [
      name,
      percent(worst("calm")),
      percent(worst("bad minutes")),
      found((base) => base * 3, 0.01),
      found(() => 1, 0),
    ];
  });
  table(
    `Rules on errors, plan of 30 min: identical falsely taken back, worst cell, % of ${count}; caught % / s / bad answers at 10/s`,
    ["rule", "identical", "with bad minutes", "3x of 1 %", "fails all"],
    lines,
  );
}

const SECTIONS: Readonly<Record<string, () => void>> = { identical, faulty, bakes, latency, order, rules };

for (const name of chosen.length > 0 ? chosen : Object.keys(SECTIONS)) {
  const section = SECTIONS[name];
  if (section === undefined)
    throw new Error(`no section ${name}; there are ${Object.keys(SECTIONS).join(", ")}`);
  section();
}
