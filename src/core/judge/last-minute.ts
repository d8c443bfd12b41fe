// What both versions answered in the last minute, in pieces of ten seconds that survive a restart.
import type { Sample } from "./confidence.ts";
import type { Tally } from "./evidence.ts";

const PIECE_MS = 10_000;
const PIECES = 6;

/** The newest last; `at` counts pieces since the epoch. */
export type LastMinute = readonly {
  readonly at: number;
  readonly canary: Sample;
  readonly stable: Sample;
}[];

export function withTick(minute: LastMinute, nowMs: number, canary: Tally, stable: Tally): LastMinute {
  const at = Math.floor(nowMs / PIECE_MS);
  const kept = minute.filter((piece) => piece.at > at - PIECES && piece.at < at);
  const open = minute.find((piece) => piece.at === at) ?? {
    canary: [0, 0] as const,
    stable: [0, 0] as const,
  };
  return [...kept, { at, canary: plus(open.canary, canary), stable: plus(open.stable, stable) }];
}

function plus([answers, errors]: Sample, tally: Tally): Sample {
  return [answers + tally.answers, errors + tally.errors];
}

export function sumOf(minute: LastMinute, side: "canary" | "stable"): Sample {
  let answers = 0;
  let errors = 0;
  for (const piece of minute) {
    answers += piece[side][0];
    errors += piece[side][1];
  }
  return [answers, errors];
}
