// What happened, newest first; repeats are folded, and what has several lines is opened on demand.

import { type Foldable, type Folded, foldRepeats } from "../../core/fold-repeats.ts";
import { By } from "./by.tsx";
import type { Numbered } from "./live.ts";
import { clockOf, momentOf } from "./time.ts";

interface EventsProps<E> {
  /** Newest first. */
  readonly events: readonly E[];
  /** Whom it is about. */
  readonly subject: (event: E) => string;
}

interface Happened extends Numbered, Foldable {}

export function Events<E extends Happened>({ events, subject }: EventsProps<E>) {
  return (
    <section class="events" aria-labelledby="events">
      <h2 id="events">Events</h2>
      {events.length === 0 && <p class="wait">nothing happened yet</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: keys scroll it */}
      <ol tabIndex={0} aria-labelledby="events">
        {foldRepeats(events, subject).map((one) => (
          <Entry key={one.event.seq} one={one} subject={subject(one.event)} />
        ))}
      </ol>
    </section>
  );
}

function Entry<E extends Happened>({ one, subject }: { readonly one: Folded<E>; readonly subject: string }) {
  const { event, count, since } = one;
  const [first = "", ...more] = event.detail.split("\n");
  return (
    <li class={isBad(event.kind) ? "bad" : ""}>
      <time dateTime={event.at} title={momentOf(event.at)}>
        {clockOf(event.at)}
      </time>
      <b>{subject}</b> <span class="kind">{event.kind}</span> <bdi>{first}</bdi>
      <By by={event.by} />
      {count > 1 && (
        <span class="badge" title={`since ${momentOf(since)}`}>
          {count} times since {clockOf(since)}
        </span>
      )}
      {more.length > 0 && (
        <details>
          <summary>{more.length} more lines</summary>
          <pre>{more.join("\n")}</pre>
        </details>
      )}
    </li>
  );
}

function isBad(kind: string): boolean {
  return /fail|offline|down|unroutable|rolled_back|refused/.test(kind);
}
