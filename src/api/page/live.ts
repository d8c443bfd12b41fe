// What a page knows of its server, read again every two seconds while somebody looks at it.

import { useState } from "preact/hooks";
import type { Fault } from "../../core/fault.ts";
import { faultOf } from "./fault.ts";
import { usePoll } from "./visible.ts";

/** What every list of events has; the rest is the program's. */
export interface Numbered {
  readonly seq: number;
}

export interface Live<T, E extends Numbered> {
  /** Undefined until the first answer. */
  readonly seen: T | undefined;
  /** Newest first. */
  readonly events: readonly E[];
  /** Why there is no answer now. */
  readonly fault: Fault | undefined;
  /** When the last answer came, for people. */
  readonly at: Date | undefined;
  /** Since when an answer is awaited; undefined while none is. */
  readonly askedAt: Date | undefined;
  /** Reads at once, after an action. */
  refresh(): void;
}

interface Sources<T, E> {
  readonly state: (signal: AbortSignal) => Promise<T>;
  /** Those after one, the oldest first, at most `limit`. */
  readonly events: (query: { limit: number; after?: number }, signal: AbortSignal) => Promise<readonly E[]>;
}

const EVERY_MS = 2_000;
const EVENTS_KEPT = 200;

export function useLive<T, E extends Numbered>(sources: Sources<T, E>): Live<T, E> {
  const [seen, setSeen] = useState<T>();
  const [events, setEvents] = useState<readonly E[]>([]);
  const [fault, setFault] = useState<Fault>();
  const [at, setAt] = useState<Date>();
  const [askedAt, setAskedAt] = useState<Date>();

  async function read(signal: AbortSignal): Promise<void> {
    const [newest] = events;
    const query = { limit: EVENTS_KEPT, ...(newest && { after: newest.seq }) };
    setAskedAt((before) => before ?? new Date());
    try {
      const [state, fresh] = await Promise.all([sources.state(signal), sources.events(query, signal)]);
      setSeen(state);
      setEvents((known) => merge(known, fresh));
      setFault(undefined);
      setAt(new Date());
    } catch (thrown) {
      if (!signal.aborted) setFault(faultOf(thrown));
    }
    setAskedAt(undefined);
  }

  usePoll(read, EVERY_MS);
  return { seen, events, fault, at, askedAt, refresh: () => void read(new AbortController().signal) };
}

/** Two may have asked from the same place: no event is shown twice. */
function merge<E extends Numbered>(known: readonly E[], fresh: readonly E[]): readonly E[] {
  const newest = known[0]?.seq ?? -1;
  const more = fresh.filter(({ seq }) => seq > newest).reverse();
  return more.length === 0 ? known : [...more, ...known].slice(0, EVENTS_KEPT);
}
