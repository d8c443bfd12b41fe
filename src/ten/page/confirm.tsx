// The dialog before every change: what is asked, what it would do to the split, the command that does the same, and what went wrong.
import { CommandLine } from "../../api/page/copy.tsx";
import { Dialog } from "../../api/page/dialog.tsx";
import { Failure } from "../../api/page/failure.tsx";
import type { Outcome } from "../../api/page/outcome.ts";
import type { TenClient } from "../api/contract.ts";
import type { InstanceView } from "../api/shapes.ts";
import { type Act, commandFor } from "./act.ts";
import { RouteFields, WeightField } from "./fields.tsx";
import { type Question, useQuestion } from "./question.ts";
import { SplitChange } from "./split.tsx";

interface ConfirmProps {
  readonly act: Act;
  readonly client: TenClient;
  readonly mayRelease: boolean;
  /** As they are now, with what their requests led to. */
  readonly instances: readonly InstanceView[];
  readonly onClose: () => void;
  readonly onDone: (outcome: Outcome) => void;
}

const TITLES = {
  weight: "Set the weight of",
  route: "Route",
  rollback: "Roll back",
  stop: "Stop",
  restart: "Restart",
  start: "Start",
  maintenance: "Maintenance of",
} as const;

export function Confirm({ onClose, instances, ...asked }: ConfirmProps) {
  const { act } = asked;
  const question = useQuestion(asked);
  const name = "id" in act && act.kind !== "route" ? `${act.service}:${act.id}` : act.service;
  const submit = (event: Event) => {
    event.preventDefault();
    void question.confirm();
  };
  return (
    <Dialog title={`${TITLES[act.kind]} ${name}`} onClose={onClose}>
      <form onSubmit={submit}>
        <Fields act={act} question={question} />
        <p>{explain(act)}</p>
        {question.lines && <SplitChange lines={question.lines} />}
        <div aria-live="polite">
          {warningsOf(act, question, instances).map((text) => (
            <p key={text} class="warning">
              {text}
            </p>
          ))}
        </div>
        <Failure fault={question.fault} />
        {question.isForceable && <Force {...question} />}
        <footer>
          <CommandLine line={commandFor(act, question.choice)} />
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={!question.isReady}>
            {question.isBusy ? "Waiting…" : wordFor(act)}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

/** What a person would want to know before it is done, and the server does not refuse. */
function warningsOf(act: Act, { choice, lines }: Question, instances: readonly InstanceView[]): string[] {
  const { service } = act;
  const warnings: string[] = [];
  const total = (side: "before" | "after") =>
    (lines ?? []).reduce((sum, line) => sum + (line[side]?.share ?? 0), 0);
  if (lines && total("before") > 0 && total("after") === 0)
    warnings.push(`Then nothing of ${service} takes traffic: its visitors get 503 until something does.`);
  const target = act.kind === "route" ? choice.to : act.kind === "weight" && choice.percent > 0 ? act.id : "";
  const one = instances.find(({ id }) => id === `${service}:${target}`);
  if (one && one.state !== "healthy") warnings.push(`${one.id} is ${one.state}: ${one.reason}`);
  if (one && one.error_percent > 0)
    warnings.push(`${one.id} fails ${one.error_percent} % of its requests now.`);
  return warnings;
}

function Fields({ act, question }: { readonly act: Act; readonly question: Question }) {
  const { split, choice, change } = question;
  if (!split) return null;
  if (act.kind === "weight")
    return <WeightField percent={choice.percent} onChange={(percent) => change({ percent })} />;
  if (act.kind !== "route") return null;
  return <RouteFields split={split} from={choice.from} to={choice.to} onChange={change} />;
}

function Force({ choice, change }: Pick<Question, "choice" | "change">) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={choice.force}
        onChange={(event) => change({ force: event.currentTarget.checked })}
      />
      Do it all the same (--force)
    </label>
  );
}

function explain(act: Act): string {
  switch (act.kind) {
    case "weight":
      return "It gets exactly this part of the service's traffic; the others are scaled to the rest.";
    case "route":
      return "In one step, without losing a request.";
    case "rollback":
      return "The newest version with traffic loses all of it, and the older ones get back what they had before it first got any. What of them is stopped is started and waited for.";
    case "stop":
      return "It gets no new requests, finishes those it has, and ends. Its directory and logs stay.";
    case "restart":
      return "It drains, ends and starts again, with the same weight. This waits until it is healthy.";
    case "start":
      return "It starts without traffic.";
    case "maintenance":
      return act.on
        ? "Visitors get 503 with your error page until it is switched off; instances run on, and their own hosts answer."
        : "Visitors reach the service again.";
  }
}

function wordFor(act: Act): string {
  if (act.kind === "maintenance") return act.on ? "Begin maintenance" : "End maintenance";
  if (act.kind === "weight") return "Set weight";
  return TITLES[act.kind];
}
