// Whole rollouts by a made-up clock: what two versions answer each second, and what the rollout says and does.
import { advance, type Move, type Seen } from "../../../src/core/judge/advance.ts";
import type { Tally } from "../../../src/core/judge/evidence.ts";
import { LATENCY_BUCKETS } from "../../../src/core/judge/latency-buckets.ts";
import { type Measured, planFor, type Wishes } from "../../../src/core/judge/plan.ts";
import { beginRollout, type Rollout, shareNow } from "../../../src/core/judge/rollout-state.ts";

/** What a version does in one second, of so many requests. */
export type Behaviour = (requests: number, second: number) => Partial<Omit<Tally, "answers">>;

export const SECOND = 1_000;

export interface Story {
  rollout: Rollout;
  second: number;
  readonly moves: Move[];
  /** Until it has ended, or so many seconds have passed. */
  run(seconds: number, canary?: Behaviour, stable?: Behaviour, seen?: Partial<Seen>): void;
}

export const fine: Behaviour = () => ({});

/** Every n-th of all requests fails, counted over the whole story. */
export function failing(share: number): Behaviour {
  let owed = 0;
  return (requests) => {
    owed += requests * share;
    const errors = Math.floor(owed + 1e-9);
    owed -= errors;
    return { errors };
  };
}

export function story(measured: Measured, wishes: Wishes = {}, history: readonly number[] = []): Story {
  const about = { service: "api", canary: "v2", stable: "v1", plan: planFor(measured, wishes) };
  const moves: Move[] = [];
  // Whole requests only, however small a part of one comes each second.
  const owed = { canary: 0, stable: 0 };
  let hasEnded = false;

  function served(side: "canary" | "stable", share: number, behave: Behaviour, second: number): Tally {
    owed[side] += measured.perSecond * share;
    const answers = Math.floor(owed[side] + 1e-9);
    owed[side] -= answers;
    const tally = { answers, errors: 0, rejections: 0, ...behave(answers, second) };
    const buckets = new Array<number>(LATENCY_BUCKETS).fill(0);
    buckets[60] = answers - tally.errors;
    return { buckets, ...tally };
  }

  const told: Story = {
    rollout: beginRollout(about, history, 0),
    second: 0,
    moves,
    run(seconds, canary = fine, stable = fine, seen = {}) {
      for (let i = 0; i < seconds && !hasEnded; i++) {
        told.second += 1;
        const share = shareNow(told.rollout) / 10_000;
        const tick = {
          canary: served("canary", share, canary, told.second),
          stable: served("stable", 1 - share, stable, told.second),
          share,
        };
        const next = advance(
          told.rollout,
          {
            tick,
            harm: { rescued: 0, seen: tick.canary.errors },
            stableServes: true,
            failure: undefined,
            ...seen,
          },
          told.second * SECOND,
        );
        told.rollout = next.rollout;
        if (next.move !== undefined) moves.push(next.move);
        hasEnded = next.move?.outcome !== undefined;
      }
    },
  };
  return told;
}
