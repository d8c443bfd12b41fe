// Why turns are drawn at random: a client that asks for its things in a fixed order, one of which fails in both versions.
import { oddsOf, SURE } from "../../src/core/judge/bet.ts";
import { NO_EVIDENCE, take } from "../../src/core/judge/evidence.ts";
import { createSelection } from "../../src/core/round-robin.ts";
import type { Route, Target } from "../../src/core/route.ts";
import type { Random } from "./chance.ts";

function target(label: string, weight: number): Target {
  const address = { host: "127.0.0.1", port: 1 };
  return { id: `api:${label}`, label, address, weight, readiness: "ready" };
}

const POLICY = {
  direct: "open",
  requestTimeoutMs: 0,
  streamIdleTimeoutMs: 0,
  waitMs: 0,
  maxBodyBytes: 0,
} as const;

/** Whether v2 is blamed, and whether it ever saw the thing that fails. */
export function polled(things: number, isDrawn: boolean, random: Random): { blamed: boolean; saw: boolean } {
  const selection = createSelection(random, random());
  let evidence = NO_EVIDENCE;
  let saw = false;
  let at = Math.floor(random() * things);
  const ask = (route: Route) => {
    at = (at + 1) % things;
    return { label: selection.selectWeighted(route)?.label === "v2" ? "v2" : "v1", fails: at === 0 } as const;
  };
  for (let second = 1; second <= 3 * STEP_S; second++) {
    const share = [0.05, 0.25, 0.5][Math.floor((second - 1) / STEP_S)] ?? 0.5;
    const sides = { v1: { answers: 0, errors: 0 }, v2: { answers: 0, errors: 0 } };
    const route = routeAt(share, isDrawn);
    for (const { label, fails } of [ask(route), ask(route)]) {
      sides[label].answers += 1;
      if (fails) sides[label].errors += 1;
      saw ||= fails && label === "v2";
    }
    const rest = { rejections: 0, buckets: [] };
    const tick = { canary: { ...sides.v2, ...rest }, stable: { ...sides.v1, ...rest }, share };
    evidence = take(evidence, tick, undefined, second);
    if (oddsOf(evidence.errors) >= SURE) return { blamed: true, saw };
  }
  return { blamed: false, saw };
}

const STEP_S = 200;

function routeAt(share: number, isDrawn: boolean): Route {
  const targets = [target("v1", 10_000 * (1 - share)), target("v2", 10_000 * share)];
  const trial = isDrawn ? { split: String(share) } : undefined;
  return { name: "api", hosts: [], epoch: share * 100, targets, policy: POLICY, trial };
}
