// A rollout that is under way: its steps, what the judge has seen and says, and what a person may do about it.

import { useState } from "preact/hooks";
import type { Outcome } from "../../api/page/outcome.ts";
import { useAnswer } from "../../api/page/visible.ts";
import { SUSPECT } from "../../core/judge/bet.ts";
import { points, spanText } from "../../core/judge/words.ts";
import type { TenClient } from "../api/contract.ts";
import type { RolloutView } from "../api/shapes.ts";

/** What a panel of a service is given. */
export interface PanelProps {
  readonly client: TenClient;
  readonly service: string;
  readonly mayRelease: boolean;
  /** Told of what a button led to. */
  readonly onDone: (outcome: Outcome) => void;
  readonly onFault: (thrown: unknown) => void;
}

const EVERY_MS = 2_000;

export function Rollout({ client, service, mayRelease, onDone, onFault }: PanelProps) {
  const params = { service };
  const [isBusy, setBusy] = useState(false);
  const { answer, set } = useAnswer<{ readonly rollout: RolloutView | null }>(
    (signal) => client.rollout({ params }, { signal }),
    EVERY_MS,
    [service],
  );
  const rollout = answer?.rollout;
  if (!rollout || rollout.outcome !== null) return null;
  const { canary, stable, plan, on_step: seen, held } = rollout;
  const act = async (
    run: () => Promise<{ readonly message: string; readonly rollout: RolloutView | null }>,
    undo: string | null,
  ) => {
    setBusy(true);
    await run().then((done) => {
      set(done);
      onDone({ message: done.message, undo });
    }, onFault);
    setBusy(false);
  };
  const isHeld = held !== null;
  return (
    <section class="rollout" aria-label={`Rollout of ${service} ${canary}`}>
      <header>
        <b>
          Rollout of {canary} beside {stable}
        </b>
        {isHeld && <span class="badge warn">held: {held.reason}</span>}
      </header>
      <p class="count">{planText(plan)}</p>
      <ol class="steps-done" aria-label="Steps">
        {stepsOf(rollout).map(({ text, state }, place) => (
          <li key={place} class={state} aria-current={state === "now" ? "step" : undefined}>
            {text}
          </li>
        ))}
      </ol>
      <p class="says">{rollout.text}</p>
      {rollout.shadow !== null && <p class="count">Copies: {rollout.shadow}</p>}
      {rollout.phase !== "bake" && (
        <div class="odds">
          {CHARGES.map((charge) => (
            <Odds key={charge} charge={charge} value={rollout.odds[charge]} bar={rollout.odds.bar} />
          ))}
        </div>
      )}
      <p class="count">
        On this step {canary} {shareText(seen.canary)}, {stable} {shareText(seen.stable)}.
      </p>
      {mayRelease && (
        <div class="acts">
          <button
            type="button"
            disabled={isBusy}
            onClick={() =>
              act(
                () => client.holdRollout({ params, body: { on: !isHeld } }),
                isHeld ? null : `ten hold ${service} off`,
              )
            }
          >
            {isHeld ? "Go on" : "Hold"}
          </button>
          <button
            type="button"
            disabled={isBusy}
            onClick={() => act(() => client.promoteRollout({ params, body: {} }), null)}
          >
            Promote now
          </button>
          <button
            type="button"
            disabled={isBusy}
            onClick={() => act(() => client.abortRollout({ params, body: {} }), null)}
          >
            Take back
          </button>
        </div>
      )}
    </section>
  );
}

const CHARGES = ["errors", "slow", "stalls"] as const;

/** What a bet stands at, on a logarithmic scale from 1 to the bar at which the canary is taken back. */
function Odds({ charge, value, bar }: { charge: string; value: number; bar: number }) {
  const at = Math.min(bar, Math.max(1, value));
  const text = value < 1 ? "nothing speaks against it" : `${Math.round(value).toLocaleString("en-US")} to 1`;
  return (
    <div>
      <span>{charge}</span>
      <meter
        min={0}
        max={1}
        optimum={0}
        high={Math.log(SUSPECT) / Math.log(bar)}
        value={Math.log(at) / Math.log(bar)}
        aria-label={`Odds against it by ${charge}`}
        aria-valuetext={text}
      />
      <span class="count">{text}</span>
    </div>
  );
}

/** From the copies to where it has everything; what the judge goes back to for a second look comes last. */
function stepsOf({ plan, step, phase }: RolloutView) {
  const state = (place: number) => (place < step ? "done" : place === step ? "now" : "");
  const copies = { text: `${plan.shadow_first} copies`, state: state(0) };
  return [
    ...(plan.shadow_first > 0 ? [copies] : []),
    ...plan.steps.map((share, place) => ({ text: `${share} %`, state: state(place + 1) })),
    { text: "100 %", state: phase === "bake" ? "now" : "" },
    ...(phase === "look" ? [{ text: "both 50 %", state: "now" }] : []),
  ];
}

function planText({
  every_secs: every,
  notice_points: notice,
  bake_secs: bake,
}: RolloutView["plan"]): string {
  const warm = bake > 0 ? `; the old version stays warm for ${spanText(bake * 1000)} after it` : "";
  return `Each step lasts at least ${spanText(every * 1000)} and rules out ${points(notice / 100)} more errors${warm}.`;
}

function shareText({ answers, errors }: RolloutView["on_step"]["canary"]): string {
  return answers === 0 ? "has answered nothing" : `failed ${errors} of ${answers}`;
}
