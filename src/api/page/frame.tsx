// The frame of a dashboard: who and where one is, what is wrong, whether the server answers, and what the last commands led to.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { CommandLine } from "./copy.tsx";
import { Failure } from "./failure.tsx";
import type { Live, Numbered } from "./live.ts";
import type { Outcome } from "./outcome.ts";
import { usePoll } from "./visible.ts";

/** What is wrong now: how many of what, and the words that find them. */
export interface Trouble {
  readonly count: number;
  /** `failed`, `offline`: as in "2 failed". */
  readonly word: string;
  readonly filter: string;
}

interface FrameProps {
  /** `ten` */
  readonly name: string;
  /** Who has logged in. */
  readonly who: string;
  /** `ten/0.1.0` */
  readonly product: string;
  readonly live: Live<unknown, Numbered>;
  readonly trouble: readonly Trouble[];
  /** What can be filtered by, in words. */
  readonly filters: string;
  readonly filter: string;
  readonly onFilter: (text: string) => void;
  readonly onLeave: () => void;
  /** The column of events; null for who may not see them. */
  readonly events: ComponentChildren;
  readonly children: ComponentChildren;
}

export function Frame({
  name,
  who,
  product,
  live,
  trouble,
  filters,
  filter,
  onFilter,
  onLeave,
  ...rest
}: FrameProps) {
  const troubles = trouble.filter(({ count }) => count > 0);
  const words = troubles.map(({ count, word }) => `${count} ${word}`).join(", ");
  useEffect(() => {
    document.title = `${words === "" ? "" : `(${words}) `}${name} ${location.hostname}`;
  }, [words, name]);
  return (
    <>
      <header class="top">
        <h1>
          <img src="/page.svg" alt="" width="24" height="24" /> {name}
        </h1>
        <span class="host">{location.host}</span>
        <Pulse live={live} />
        {troubles.map(({ count, word, filter: wanted }) => (
          <button
            key={word}
            type="button"
            class="trouble"
            aria-pressed={filter === wanted}
            onClick={() => onFilter(filter === wanted ? "" : wanted)}
          >
            {count} {word}
          </button>
        ))}
        <input
          type="search"
          placeholder={`Filter ${filters}`}
          aria-label={`Filter ${filters}`}
          value={filter}
          onInput={(event) => onFilter(event.currentTarget.value)}
        />
        <span class="who" title={product}>
          {who}
        </span>
        <button type="button" onClick={onLeave}>
          Log out
        </button>
      </header>
      <div class={rest.events === null ? "columns alone" : "columns"}>
        <main tabIndex={-1}>{rest.children}</main>
        {rest.events}
      </div>
    </>
  );
}

/** What has been asked for so long without an answer is said to be without one. */
const STALE_MS = 5_000;
const TICK_MS = 1_000;

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

function Pulse({ live }: Pick<FrameProps, "live">) {
  const [now, setNow] = useState(Date.now());
  usePoll(async () => setNow(Date.now()), TICK_MS);
  const age = live.at === undefined ? 0 : now - live.at.getTime();
  const isLost = live.fault !== undefined || (live.askedAt && now - live.askedAt.getTime() > STALE_MS);
  const since = age >= TICK_MS ? `no answer for ${seconds(age)}` : "no answer";
  return (
    <span class={isLost ? "pulse lost" : "pulse"} title={live.fault?.message}>
      {/* What counts up every second is not read out each time. */}
      <span class="hidden" role="status">
        {isLost ? "no answer from the server" : "live"}
      </span>
      <span aria-hidden="true">{isLost ? since : age > STALE_MS ? `live ${seconds(age)} ago` : "live"}</span>
    </span>
  );
}

/** As many as fit above the rest of the page. */
const OUTCOMES_KEPT = 3;

/** What the commands given on the page led to. */
export interface Said {
  /** The last of them, newest first. */
  readonly outcomes: readonly Outcome[];
  /** How many there were in all. */
  readonly count: number;
  add(outcome: Outcome): void;
  dismiss(): void;
}

export function useOutcomes(): Said {
  const [{ outcomes, count }, set] = useState({ outcomes: [] as readonly Outcome[], count: 0 });
  return {
    outcomes,
    count,
    add: (outcome) =>
      set((before) => ({
        outcomes: [outcome, ...before.outcomes].slice(0, OUTCOMES_KEPT),
        count: before.count + 1,
      })),
    dismiss: () => set((before) => ({ ...before, outcomes: [] })),
  };
}

/** The words of a filter, in lower case, that all have to occur. */
export function wordsOf(filter: string): readonly string[] {
  return filter.toLowerCase().split(/\s+/).filter(Boolean);
}

interface OutcomesProps extends Said {
  /** Why there is no answer now. */
  readonly fault?: Live<unknown, Numbered>["fault"];
  /** Runs the command that undoes something; undefined for a command that only a terminal can run. */
  readonly undo: (command: string) => (() => Promise<Outcome>) | undefined;
}

/** What the last commands led to, and how to undo them; it lies over the page, so that nothing moves under a pointer. */
export function Outcomes({ outcomes, dismiss, fault, undo, add }: OutcomesProps) {
  const isEmpty = outcomes.length === 0 && fault === undefined;
  return (
    <div class={isEmpty ? "outcomes" : "outcomes some"}>
      <Failure fault={fault} />
      <div role="status">
        {outcomes.map((outcome, place) => (
          <Done key={`${place} ${outcome.message}`} outcome={outcome} undo={undo} onDone={add}>
            {place === 0 && (
              <button type="button" class="quiet" aria-label="Dismiss" onClick={dismiss}>
                ✕
              </button>
            )}
          </Done>
        ))}
      </div>
    </div>
  );
}

interface DoneProps extends Pick<OutcomesProps, "undo"> {
  readonly outcome: Outcome;
  readonly onDone: (outcome: Outcome) => void;
  readonly children: ComponentChildren;
}

function Done({ outcome: { message, undo: command }, undo, onDone, children }: DoneProps) {
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<{ readonly message: string; readonly hint: string | undefined }>();
  const run = command === null ? undefined : undo(command);
  const onUndo = async () => {
    setBusy(true);
    await run?.().then(onDone, setFault);
    setBusy(false);
  };
  return (
    <div class="done">
      <strong>{message}</strong>
      {command !== null && (
        <span class="undo">
          {run && (
            <button type="button" disabled={isBusy} onClick={onUndo}>
              {isBusy ? "Waiting…" : "Undo"}
            </button>
          )}
          <CommandLine key={command} line={command} />
        </span>
      )}
      {children}
      <Failure fault={fault} />
    </div>
  );
}
