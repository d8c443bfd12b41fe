// Requests of our own to a canary and to what it is compared with, for services that few visit: as many to each, in random order.
import type { Tally, Tick } from "../../../core/judge/evidence.ts";
import { PROBES_PER_SECOND } from "../../../core/judge/plan.ts";
import type { Rollout } from "../../../core/judge/rollout-state.ts";
import { checkHealth } from "../../../platform/net/health-check.ts";
import { addressOf } from "../../config/service.ts";
import type { InstanceRow, RolloutRow } from "../../registry/registry.ts";
import { type Context, rulesOf } from "../context.ts";

const TIMEOUT_MS = 5_000;
const PERIOD_MS = 1_000 / PROBES_PER_SECOND;
const HALF = 0.5;

/** What one probe led to. */
type Outcome = "fine" | "failed" | "rejected";
interface Pair {
  readonly canary: Outcome;
  readonly stable: Outcome;
}

export class Probes {
  readonly #context: Context;
  /** When the last pair of a rollout began, by its number. */
  readonly #beganMs = new Map<number, number>();
  readonly #asking = new Set<number>();
  readonly #answered = new Map<number, readonly Pair[]>();

  constructor(context: Context) {
    this.#context = context;
  }

  /** Asks both once, when it is time; one pair is under way at once. */
  look({ seq, service, instances, before }: RolloutRow, { plan, phase }: Rollout): void {
    const nowMs = this.#context.clock.monotonic();
    if (plan.probe === undefined || (phase !== "step" && phase !== "look") || this.#asking.has(seq)) return;
    if (nowMs - (this.#beganMs.get(seq) ?? Number.NEGATIVE_INFINITY) < PERIOD_MS) return;
    const [canary, stable] = [this.#healthy(service, instances), this.#healthy(service, before)];
    if (canary === undefined || stable === undefined) return;
    this.#beganMs.set(seq, nowMs);
    this.#asking.add(seq);
    void this.#pair(canary, stable, plan.probe)
      .then((pair) => {
        if (pair !== undefined) this.#answered.set(seq, [...(this.#answered.get(seq) ?? []), pair]);
      })
      .finally(() => this.#asking.delete(seq));
  }

  /** What both answered since it was last asked; undefined: nothing. */
  take({ seq }: RolloutRow): Tick | undefined {
    const pairs = this.#answered.get(seq);
    this.#answered.delete(seq);
    if (pairs === undefined) return undefined;
    const tally = (side: keyof Pair): Tally => ({
      answers: pairs.length,
      errors: pairs.filter((pair) => pair[side] === "failed").length,
      rejections: pairs.filter((pair) => pair[side] === "rejected").length,
      buckets: [],
    });
    return { canary: tally("canary"), stable: tally("stable"), share: HALF };
  }

  /** Forgets rollouts that are not under way. */
  retain(underWay: readonly number[]): void {
    for (const known of [this.#beganMs, this.#answered])
      for (const seq of known.keys()) if (!underWay.includes(seq)) known.delete(seq);
  }

  #healthy(service: string, ids: Readonly<Record<string, unknown>>): InstanceRow | undefined {
    const rows = this.#context.registry
      .list(service)
      .filter(({ id, state }) => id in ids && state === "healthy");
    return rows[Math.floor(Math.random() * rows.length)];
  }

  /** Undefined when either says nothing: it was started again meanwhile, or we could not ask. */
  async #pair(canary: InstanceRow, stable: InstanceRow, path: string): Promise<Pair | undefined> {
    const isCanaryFirst = Math.random() < HALF;
    const first = await this.#ask(isCanaryFirst ? canary : stable, path);
    const second = await this.#ask(isCanaryFirst ? stable : canary, path);
    if (first === undefined || second === undefined) return undefined;
    return isCanaryFirst ? { canary: first, stable: second } : { canary: second, stable: first };
  }

  async #ask(row: InstanceRow, path: string): Promise<Outcome | undefined> {
    const { service, id, port, nonce, release } = row;
    const { clock, registry, domain } = this.#context;
    const hostHeader = rulesOf(this.#context, service).health.host ?? `${service}.${domain}`;
    let outcome: Outcome = "failed";
    const passes = (status: number) => {
      if (status < 500) outcome = status >= 400 ? "rejected" : "fine";
      return true;
    };
    const target = { host: addressOf(release), port: port ?? 0, http: { path, hostHeader } };
    const { inconclusive } = await checkHealth(target, { clock, timeoutMs: TIMEOUT_MS, passes });
    const now = registry.find(service, id);
    return inconclusive || now?.nonce !== nonce || now.state !== "healthy" ? undefined : outcome;
  }
}
