// 300 requests that hang in one instance while another serves 10,000: alone and beside them, in turns.
import { median } from "../report.ts";
import type { Scenario } from "./figure.ts";
import { type House, startHouse } from "./house.ts";
import { crowd, Line, others, percentile } from "./line.ts";

const HANGING = 300;
const SERVED = 10_000;
const LINES = 8;
const ROUNDS = 5;

async function served(house: House): Promise<{ readonly p99: number; readonly failed: number }> {
  const tally = await crowd(house.ten.port, LINES, SERVED, house.request("/1k", "b"));
  return { p99: percentile(tally.micros, 99) / 1_000, failed: others(tally, "200") };
}

async function hangMany(house: House): Promise<readonly Line[]> {
  const lines = await Promise.all(Array.from({ length: HANGING }, () => Line.open(house.ten.port)));
  for (const line of lines) line.ask(house.request("/hang", "a")).catch(() => {});
  while (Number((await house.ten.get("a.api.localhost", "/hanging")).body) < HANGING) await Bun.sleep(5);
  return lines;
}

export const hanging: Scenario = {
  name: "hanging",
  about: "300 hanging requests to one instance while another serves 10,000",
  async run() {
    await using house = await startHouse([process.execPath, "origin.ts"], ["a", "b"], "request_timeout = 0");
    await served(house);
    const alone: number[] = [];
    const beside: number[] = [];
    let failed = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const before = await served(house);
      const lines = await hangMany(house);
      const during = await served(house);
      for (const line of lines) line.close();
      alone.push(before.p99);
      beside.push(during.p99);
      failed += before.failed + during.failed;
    }
    const ratios = beside.map((ms, round) => ms / (alone[round] ?? Number.NaN));
    return [
      { what: "p99 alone, median of 5 rounds of 10,000", value: median(alone), unit: "ms" },
      { what: "p99 beside 300 hanging ones", value: median(beside), unit: "ms" },
      { what: "factor, median of the rounds", value: median(ratios), unit: "x", most: 2 },
      { what: "failed", value: failed, unit: "requests", most: 0 },
    ];
  },
};
