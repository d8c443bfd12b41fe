// The dialog before every change: what is asked, what it would do to the split, the command that does the same, and what went wrong.
import { useEffect, useState } from "preact/hooks";
import { CommandLine } from "../../api/page/copy.tsx";
import { Dialog } from "../../api/page/dialog.tsx";
import { Failure } from "../../api/page/failure.tsx";
import { Fault } from "../../core/fault.ts";
import type { TenClient } from "../contract.ts";
import type { SplitView } from "../shapes.ts";
import { type Act, type Choice, commandFor, type Outcome, perform } from "./act.ts";
import { RouteFields, WeightField } from "./fields.tsx";
import { type Outlook, outlook, type Planned } from "./plan.ts";
import { SplitChange } from "./split.tsx";

interface ConfirmProps {
  readonly act: Act;
  readonly client: TenClient;
  /** Whether the visitor may see whole splits: the admin. */
  readonly isAdmin: boolean;
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

/** What changes weights in a way that can be foreseen, and that the server may refuse to protect traffic. */
const FORCED: ReadonlySet<Act["kind"]> = new Set(["weight", "route", "stop"]);

export function Confirm({ act, client, isAdmin, onClose, onDone }: ConfirmProps) {
  const hasOutlook = isAdmin && FORCED.has(act.kind);
  const [split, setSplit] = useState<SplitView>();
  const [choice, setChoice] = useState<Choice>({ percent: 0, from: undefined, to: "", force: false });
  const [fault, setFault] = useState<Fault>();
  const [isBusy, setBusy] = useState(false);

  useEffect(() => {
    if (!hasOutlook) return;
    client.split({ params: { service: act.service } }).then(({ split }) => {
      setSplit(split);
      setChoice(firstChoice(act, split));
    }, setFault);
  }, []);

  const planned = split && plannedBy(act, choice);
  const ahead = split && planned && outlook(act.service, split, planned);
  const isReady = !isBusy && (split !== undefined || !hasOutlook) && isComplete(act, choice);

  const confirm = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      onDone(await perform(client, act, choice));
    } catch (thrown) {
      setFault(thrown instanceof Fault ? thrown : new Fault("internal", String(thrown)));
      setBusy(false);
    }
  };
  const name = "id" in act && act.kind !== "route" ? `${act.service}:${act.id}` : act.service;
  const objection = fault ?? ahead?.fault;
  return (
    <Dialog title={`${TITLES[act.kind]} ${name}`} onClose={onClose}>
      <form onSubmit={confirm}>
        {split && act.kind === "weight" && (
          <WeightField percent={choice.percent} onChange={(percent) => change({ percent })} />
        )}
        {split && act.kind === "route" && (
          <RouteFields split={split} from={choice.from} to={choice.to} onChange={change} />
        )}
        <p>{explain(act)}</p>
        {ahead && <SplitChange lines={ahead.lines} />}
        <Failure fault={objection} />
        {mayForce(act, objection, choice) && (
          <label class="check">
            <input
              type="checkbox"
              checked={choice.force}
              onChange={(event) => change({ force: event.currentTarget.checked })}
            />
            Do it all the same (--force)
          </label>
        )}
        <footer>
          <CommandLine line={commandFor(act, choice)} />
          <button type="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="primary" disabled={!isReady || blocked(ahead, choice)}>
            {isBusy ? "Waiting…" : wordFor(act)}
          </button>
        </footer>
      </form>
    </Dialog>
  );

  function change(part: Partial<Choice>) {
    setFault(undefined);
    setChoice((before) => ({ ...before, ...part }));
  }
}

function blocked(ahead: Outlook | undefined, { force }: Choice): boolean {
  return ahead?.fault !== undefined && !force;
}

/** Only what the server refuses to protect traffic may be forced; a mistake stays one. */
function mayForce(act: Act, fault: Fault | undefined, { force }: Choice): boolean {
  return FORCED.has(act.kind) && (force || (fault?.hint?.includes("--force") ?? false));
}

function isComplete(act: Act, { percent, to }: Choice): boolean {
  if (act.kind === "weight") return percent >= 0 && percent <= 100;
  return act.kind !== "route" || to !== "";
}

function firstChoice(act: Act, split: SplitView): Choice {
  const none = { percent: 0, from: undefined, to: "", force: false };
  if (act.kind === "weight") {
    const share = split.find(({ id }) => id === `${act.service}:${act.id}`)?.share ?? 0;
    return { ...none, percent: share };
  }
  if (act.kind !== "route") return none;
  // Nearly always one routes to what is new and has nothing yet.
  const newest = split.findLast(({ share }) => share === 0) ?? split.at(-1);
  return { ...none, to: act.id ?? newest?.id.slice(act.service.length + 1) ?? "" };
}

function plannedBy(act: Act, { percent, from, to }: Choice): Planned | undefined {
  if (act.kind === "weight") return { kind: "weight", id: act.id, percent };
  if (act.kind === "stop") return { kind: "stop", id: act.id };
  return act.kind === "route" && to !== "" ? { kind: "route", from, to } : undefined;
}

function explain(act: Act): string {
  switch (act.kind) {
    case "weight":
      return "It gets exactly this part of the service's traffic; the others are scaled to the rest.";
    case "route":
      return "In one step, without losing a request.";
    case "rollback":
      return "The newest version with traffic loses all of it, and the older ones get back what they had before it first got any. What has been stopped since is started and waited for.";
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
