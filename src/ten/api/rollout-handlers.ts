// The operations on versions that come step by step, and on copies of requests.
import { mayUse, type Principal } from "../../api/principal.ts";
import type { Handlers } from "../../api/server.ts";
import { wishesOf } from "../../core/judge/plan.ts";
import { shadowText } from "../../core/shadow/sentence.ts";
import type { Control } from "../operations/control.ts";
import type { Told } from "../operations/rollout/rollouts.ts";
import { isCopying, type ShadowTold } from "../operations/rollout/shadows.ts";
import type { RolloutRow, ShadowRow } from "../registry/registry.ts";
import type { RolloutOperations } from "./rollout-operations.ts";
import { showForeseen, showRollout, showShadow } from "./rollout-view.ts";
import type { RolloutView, ShadowView } from "./shapes.ts";

interface RolloutParts {
  readonly control: Control;
  now(): number;
}

interface RolloutHandlers {
  /** The one under way as it stands now, or else the last. */
  rolloutOf(service: string): RolloutView | null;
  /** Those under way that a caller may see. */
  rolloutsFor(principal: Principal): RolloutView[];
  underWay(isShown: (service: string) => boolean): { service: string; canary: string; text: string }[];
  /** Copies of requests that are made now. */
  shadows(isShown: (service: string) => boolean): { service: string; to: string; text: string }[];
  readonly handlers: Handlers<RolloutOperations>;
}

export function createRolloutHandlers(parts: RolloutParts): RolloutHandlers {
  const { control } = parts;
  const { deploys, rollouts, registry } = control;

  function rolloutOf(service: string): RolloutView | null {
    const running = rollouts.find(service);
    if (running) return showRollout(running.row, running.rollout, parts.now(), shadowBeside(running.row));
    const [last] = registry.rolloutHistory(service, 1);
    return last ? showRollout(last, last.state, parts.now()) : null;
  }

  function rolloutsFor(principal: Principal): RolloutView[] {
    const services = [...registry.rollouts.keys()].filter((service) => mayUse(principal, service));
    return services.flatMap((service) => rolloutOf(service) ?? []);
  }

  /** Copies that are made now, or that a rollout began with. */
  function shadowBeside(rollout: RolloutRow): ShadowRow | undefined {
    const row = control.shadows.find(rollout.service);
    return row?.rollout === rollout.seq || isCopying(row, rollout) ? row : undefined;
  }

  function shadowOf(service: string): ShadowView | null {
    const row = control.shadows.find(service);
    return row ? showShadow(row, isCopying(row, registry.rollouts.get(service))) : null;
  }

  async function withShadow(told: Promise<ShadowTold>): Promise<ShadowTold & { shadow: ShadowView | null }> {
    const done = await told;
    return { ...done, shadow: shadowOf(done.service) };
  }

  async function withRollout(told: Promise<Told>): Promise<Told & { rollout: RolloutView | null }> {
    const done = await told;
    return { ...done, rollout: rolloutOf(done.service) };
  }

  function underWay(isShown: (service: string) => boolean) {
    const services = [...registry.rollouts.keys()].filter(isShown);
    return services.flatMap((service) => {
      const view = rolloutOf(service);
      return view === null ? [] : { service, canary: view.canary, text: view.text };
    });
  }

  function shadows(isShown: (service: string) => boolean) {
    const services = [...registry.shadows.keys()].filter(isShown);
    return services.flatMap((service) => {
      const row = control.shadows.find(service);
      if (!row || !isCopying(row, registry.rollouts.get(service))) return [];
      const { to, from, counts, evidence } = row;
      return { service, to, text: shadowText(to, from, counts, evidence) };
    });
  }

  const handlers: Handlers<RolloutOperations> = {
    planRollout({ params: { service }, body }) {
      const wishes = wishesOf({ ...control.service(service).rollout, ...body.canary });
      return showForeseen(service, body.version, deploys.foresee(service, body.version, wishes));
    },
    rollout({ params: { service } }) {
      control.requireKnown(service);
      return { rollout: rolloutOf(service) };
    },
    holdRollout({ params: { service }, body }) {
      control.requireKnown(service);
      return withRollout(rollouts.hold(service, body.on));
    },
    promoteRollout({ params: { service }, body }) {
      control.requireKnown(service);
      return withRollout(rollouts.promote(service, " by hand", body.force));
    },
    abortRollout({ params: { service } }) {
      control.requireKnown(service);
      return withRollout(rollouts.abort(service, " by hand"));
    },
    shadow({ params: { service } }) {
      control.requireKnown(service);
      return { service, shadow: shadowOf(service) };
    },
    beginShadow: ({ params: { service }, body }) =>
      withShadow(control.shadows.begin(service, body.to, body.sample / 100)),
    endShadow: ({ params: { service } }) => withShadow(control.shadows.end(service)),
  };
  return { rolloutOf, rolloutsFor, underWay, shadows, handlers };
}
