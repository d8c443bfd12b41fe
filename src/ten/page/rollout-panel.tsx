// A rollout that is under way: its steps, what the judge has seen and says, and what a person may do about it.
import { useState } from "preact/hooks";
import type { Outcome } from "../../api/page/outcome.ts";
import { usePoll } from "../../api/page/visible.ts";
import type { TenClient } from "../api/contract.ts";
import type { RolloutView } from "../api/shapes.ts";

interface RolloutProps {
  readonly client: TenClient;
  readonly service: string;
  readonly mayRelease: boolean;
  /** Told of what a button led to. */
  readonly onDone: (outcome: Outcome) => void;
  readonly onFault: (thrown: unknown) => void;
}

const EVERY_MS = 2_000;

export function Rollout({ client, service, mayRelease, onDone, onFault }: RolloutProps) {
  const [rollout, setRollout] = useState<RolloutView | null>(null);
  const [isBusy, setBusy] = useState(false);
  usePoll(
    async (signal) => {
      const answer = await client.rollout({ params: { service } }, { signal });
      if (!signal.aborted) setRollout(answer.rollout);
    },
    EVERY_MS,
    [service],
  );
  if (!rollout || rollout.outcome !== null) return null;
  const { canary, stable, plan, on_step: seen, held } = rollout;
  const act = async (
    run: () => Promise<{ readonly message: string; readonly rollout: RolloutView | null }>,
    undo: string | null,
  ) => {
    setBusy(true);
    await run().then((done) => {
      setRollout(done.rollout);
      onDone({ message: done.message, undo });
    }, onFault);
    setBusy(false);
  };
  const params = { service };
  const isHeld = held !== null;
  return (
    <section class="rollout" aria-label={`Rollout of ${service} ${canary}`}>
      <header>
        <b>
          Rollout of {canary} beside {stable}
        </b>
        {isHeld && <span class="badge warn">held: {held.reason}</span>}
      </header>
      <ol class="steps-done" aria-label="Steps">
        {plan.steps.map((step, place) => (
          <li
            key={step}
            class={place + 1 < rollout.step ? "done" : place + 1 === rollout.step ? "now" : ""}
            aria-current={place + 1 === rollout.step ? "step" : undefined}
          >
            {step} %
          </li>
        ))}
      </ol>
      <p>{rollout.text}</p>
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

function shareText({ answers, errors }: RolloutView["on_step"]["canary"]): string {
  return answers === 0 ? "has answered nothing" : `failed ${errors} of ${answers}`;
}
