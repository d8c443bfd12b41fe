// The frame of a dashboard: who and where one is, whether the server answers, what the last commands led to, and what happened.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { CommandLine } from "./copy.tsx";
import { Failure } from "./failure.tsx";
import type { Live, Numbered } from "./live.ts";

/** What a command led to, in the server's words. */
export interface Outcome {
  readonly message: string;
  /** The command that takes it back, where there is one. */
  readonly undo: string | null;
}

interface FrameProps {
  /** `ten` */
  readonly name: string;
  /** Who has logged in. */
  readonly who: string;
  /** `ten/0.1.0` */
  readonly product: string;
  readonly live: Live<unknown, Numbered>;
  /** What can be filtered by, in words. */
  readonly filters: string;
  readonly filter: string;
  readonly onFilter: (text: string) => void;
  readonly onLeave: () => void;
  /** The column of events; null for who may not see them. */
  readonly events: ComponentChildren;
  readonly children: ComponentChildren;
}

export function Frame({ name, who, product, live, filters, filter, onFilter, onLeave, ...rest }: FrameProps) {
  return (
    <>
      <header class="top">
        <h1>
          <img src="/page.svg" alt="" width="24" height="24" /> {name}
        </h1>
        <span class="host">{location.host}</span>
        <Pulse live={live} />
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
        <main>
          <Failure fault={live.fault} />
          {rest.children}
        </main>
        {rest.events}
      </div>
    </>
  );
}

function Pulse({ live }: Pick<FrameProps, "live">) {
  const text = live.fault ? `no answer since ${live.at?.toLocaleTimeString() ?? "the start"}` : "live";
  return (
    <span class={live.fault ? "pulse lost" : "pulse"} role="status">
      {text}
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

/** What the last commands led to, and how to undo them. */
export function Outcomes({ outcomes, dismiss }: Said) {
  return (
    <div class="outcomes" role="status">
      {outcomes.map(({ message, undo }, place) => (
        <p key={place}>
          <strong>{message}</strong>
          {undo !== null && (
            <span>
              undo with <CommandLine key={undo} line={undo} />
            </span>
          )}
          {place === 0 && (
            <button type="button" class="quiet" aria-label="Dismiss" onClick={dismiss}>
              ✕
            </button>
          )}
        </p>
      ))}
    </div>
  );
}

interface EventsProps<E> {
  /** Newest first. */
  readonly events: readonly E[];
  /** Whom it is about. */
  readonly subject: (event: E) => string;
}

interface Happened extends Numbered {
  readonly at: string;
  readonly kind: string;
  readonly detail: string;
}

export function Events<E extends Happened>({ events, subject }: EventsProps<E>) {
  return (
    <section class="events" aria-labelledby="events">
      <h2 id="events">Events</h2>
      {events.length === 0 && <p class="wait">nothing happened yet</p>}
      <ol>
        {events.map((event) => (
          <li key={event.seq}>
            <time dateTime={event.at} title={new Date(event.at).toLocaleString()}>
              {new Date(event.at).toLocaleTimeString()}
            </time>
            <b>{subject(event)}</b> <span class="kind">{event.kind}</span> <bdi>{event.detail}</bdi>
          </li>
        ))}
      </ol>
    </section>
  );
}
