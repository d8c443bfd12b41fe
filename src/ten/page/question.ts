// What a dialog asks before a change: the choice so far, what it would lead to, and what came of it.

import { useEffect, useState } from "preact/hooks";
import { faultOf } from "../../api/page/fault.ts";
import type { Outcome } from "../../api/page/outcome.ts";
import type { Fault } from "../../core/fault.ts";
import type { TenClient } from "../api/contract.ts";
import type { SplitView } from "../api/shapes.ts";
import { type Act, type Choice, perform } from "./act.ts";
import { compare, type Line, outlook, type Planned } from "./plan.ts";

export interface Question {
  readonly choice: Choice;
  change(part: Partial<Choice>): void;
  /** Undefined until it is known, or where it plays no part. */
  readonly split: SplitView | undefined;
  readonly lines: readonly Line[] | undefined;
  /** What speaks against it, or what went wrong. */
  readonly fault: Fault | undefined;
  readonly isForceable: boolean;
  readonly isBusy: boolean;
  readonly isReady: boolean;
  confirm(): Promise<void>;
}

interface Asked {
  readonly act: Act;
  readonly client: TenClient;
  /** Whether the visitor may see whole splits: the admin. */
  readonly mayRelease: boolean;
  readonly onDone: (outcome: Outcome) => void;
}

const NO_CHOICE: Choice = { percent: 0, from: undefined, to: "", force: false };
/** What the server may refuse to protect traffic; a mistake stays one. */
const FORCED: ReadonlySet<Act["kind"]> = new Set(["weight", "route", "stop"]);

export function useQuestion({ act, client, mayRelease, onDone }: Asked): Question {
  const hasOutlook = mayRelease && (FORCED.has(act.kind) || act.kind === "rollback");
  const [split, setSplit] = useState<SplitView>();
  const [foreseen, setForeseen] = useState<SplitView>();
  const [choice, setChoice] = useState(NO_CHOICE);
  const [failure, setFailure] = useState<Fault>();
  const [isBusy, setBusy] = useState(false);
  const fail = (thrown: unknown) => setFailure(faultOf(thrown));

  async function look(): Promise<void> {
    const { split } = await client.split({ params: { service: act.service } });
    setChoice(firstChoice(act, split));
    // What was before is known to the server alone.
    const body = { service: act.service, dry_run: true };
    if (act.kind === "rollback") setForeseen((await client.rollback({ body })).split);
    setSplit(split);
  }
  useEffect(() => {
    if (hasOutlook) look().catch(fail);
  }, []);

  const planned = plannedBy(act, choice);
  const ahead = split && planned && outlook(act.service, split, planned);
  const fault = failure ?? ahead?.fault;
  const isKnown = split !== undefined || !hasOutlook;
  return {
    choice,
    change(part) {
      setFailure(undefined);
      setChoice((before) => ({ ...before, ...part }));
    },
    split,
    lines: ahead?.lines ?? (split && foreseen && compare(split, foreseen)),
    fault,
    isForceable: FORCED.has(act.kind) && (choice.force || (fault?.hint?.includes("--force") ?? false)),
    isBusy,
    isReady: !isBusy && isKnown && isComplete(act, choice) && (!ahead?.fault || choice.force),
    async confirm() {
      setBusy(true);
      try {
        onDone(await perform(client, act, choice));
      } catch (thrown) {
        fail(thrown);
        setBusy(false);
      }
    },
  };
}

function isComplete(act: Act, { percent, to }: Choice): boolean {
  if (act.kind === "weight") return percent >= 0 && percent <= 100;
  return act.kind !== "route" || to !== "";
}

function firstChoice(act: Act, split: SplitView): Choice {
  if (act.kind === "weight") {
    const share = split.find(({ id }) => id === `${act.service}:${act.id}`)?.share ?? 0;
    return { ...NO_CHOICE, percent: share };
  }
  if (act.kind !== "route") return NO_CHOICE;
  // Nearly always one routes to what is new, well, and has nothing yet; where there is none of these, nobody guesses.
  const newest = split.findLast(({ share, state }) => share === 0 && state === "healthy");
  return { ...NO_CHOICE, to: act.id ?? newest?.id.slice(act.service.length + 1) ?? "" };
}

function plannedBy(act: Act, { percent, from, to }: Choice): Planned | undefined {
  if (act.kind === "weight") return { kind: "weight", id: act.id, percent };
  if (act.kind === "stop") return { kind: "stop", id: act.id };
  return act.kind === "route" && to !== "" ? { kind: "route", from, to } : undefined;
}
