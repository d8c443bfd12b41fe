// The judge against the vectors that two other implementations agree on.
import { describe, expect, test } from "bun:test";
import { oddsOf } from "../../../src/core/judge/bet.ts";
import { upperDifference } from "../../../src/core/judge/confidence.ts";
import { NO_EVIDENCE, type Tally, take } from "../../../src/core/judge/evidence.ts";
import { scaleOf } from "../../../src/core/judge/latency-scale.ts";
import { verdictOf } from "../../../src/core/judge/verdict.ts";
import vectors from "./vectors.json";

type Side = readonly [answers: number, errors: number, buckets?: Readonly<Record<string, number>>];
/** The last is the second at which it ends, where that is not the one after the tick before. */
type Given = readonly [canary: Side, stable: Side, share: number, seconds?: number];

interface Vector {
  readonly name: string;
  readonly notice: number;
  readonly history?: Readonly<Record<string, number>>;
  /** Ticks that follow each other, so many times. */
  readonly runs: readonly (readonly [times: number, ticks: readonly Given[]])[];
  readonly verdict: { readonly is: string; readonly by?: string; readonly odds: number };
  readonly odds: { readonly errors: number; readonly stalls: number; readonly slow: number };
  readonly upper: number;
}

const dense = (sparse: Readonly<Record<string, number>> = {}) =>
  Array.from({ length: 128 }, (_, bucket) => sparse[bucket] ?? 0);

function tally([answers, errors, buckets]: Side): Tally {
  return { answers, errors, rejections: 0, buckets: dense(buckets) };
}

describe("the judge agrees with the vectors", () => {
  test.each(vectors as unknown as Vector[])("$name", (vector) => {
    const scale = vector.history && scaleOf(dense(vector.history), 1);
    let evidence = NO_EVIDENCE;
    let now = 0;
    for (const [times, ticks] of vector.runs)
      for (let i = 0; i < times; i++)
        for (const [canary, stable, share, seconds = now + 1] of ticks) {
          now = seconds;
          evidence = take(evidence, { canary: tally(canary), stable: tally(stable), share }, scale, now);
        }
    for (const charge of ["errors", "stalls", "slow"] as const) {
      expect(oddsOf(evidence[charge]) / vector.odds[charge]).toBeCloseTo(1, 9);
    }
    expect(upperDifference(evidence.canary, evidence.stable)).toBeCloseTo(vector.upper, 12);
    const { is, odds, ...rest } = verdictOf(evidence, vector.notice);
    const { odds: wanted, ...said } = vector.verdict;
    expect({ is, ...rest }).toEqual(said as never);
    if (is === "bad" || is === "suspect") expect(odds / wanted).toBeCloseTo(1, 9);
  });

  test("there are 33 of them", () => expect(vectors.length).toBe(33));
});
