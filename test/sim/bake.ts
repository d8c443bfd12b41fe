// The bake: what happens after a canary got everything, when it or both begin to fail.
import { advance, promote } from "../../src/core/judge/advance.ts";
import { planFor } from "../../src/core/judge/plan.ts";
import { beginRollout, shareNow } from "../../src/core/judge/rollout-state.ts";
import type { Random } from "./chance.ts";
import type { End } from "./rollouts.ts";
import { createWorld, same, type World } from "./world.ts";

const BAKE_S = 1_500;
const GOOD_S = 300;

/** Good for five minutes, then as `world` says; `both`: the stable begins to fail as well. */
export function baked(world: World, both: boolean, random: Random): End {
  const before = createWorld({ ...world, fault: same }, random);
  const later = createWorld(both ? { ...world, base: world.fault(world.base), fault: same } : world, random);
  const measured = { perSecond: world.perSecond, errorShare: world.base };
  const plan = planFor(measured, { bakeMs: BAKE_S * 1000 });
  let rollout = beginRollout({ service: "api", canary: "v2", stable: "v1", plan }, [], 0);
  let harm = 0;
  for (let second = 1; ; second++) {
    // An outage of five minutes; a fault of the canary stays.
    const isAfter = second > 2 * GOOD_S && (!both || second <= 3 * GOOD_S);
    const share = shareNow(rollout) / 10_000;
    const tick = { ...(isAfter ? later : before).pass(second, 1, share), share };
    if (isAfter) harm += tick.canary.errors;
    if (second === GOOD_S) rollout = promote(rollout, second * 1000, "by hand").rollout;
    const seen = { tick, stableServes: true, failure: undefined };
    const next = advance(rollout, seen, second * 1000);
    rollout = next.rollout;
    const outcome = next.move?.outcome;
    if (outcome !== undefined) return { outcome, seconds: second - 2 * GOOD_S, harm };
  }
}
