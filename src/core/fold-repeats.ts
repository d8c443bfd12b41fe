// A crash loop writes the same events again and again: each kind of one subject is shown once, with how often and since when.

/** What a fold looks at. */
export interface Foldable {
  readonly at: string;
  readonly kind: string;
  readonly detail: string;
  /** Who did it; null: the server by itself. */
  readonly by: string | null;
}

export interface Folded<E> {
  /** The newest of them. */
  readonly event: E;
  readonly count: number;
  /** When the oldest of them was. */
  readonly since: string;
}

/**
 * `events` are newest first, and so is the answer. Repeats of one subject are one entry as long as nobody did anything to it
 * in between: what a person did is always an entry of its own.
 */
export function foldRepeats<E extends Foldable>(
  events: readonly E[],
  subject: (event: E) => string,
): Folded<E>[] {
  const folded: { event: E; count: number; since: string }[] = [];
  /** By subject, and then by what happened: the entry that repeats go into. */
  const open = new Map<string, Map<string, { event: E; count: number; since: string }>>();
  for (const event of events) {
    const name = subject(event);
    const known = open.get(name) ?? new Map();
    open.set(name, known);
    if (event.by !== null) {
      folded.push({ event, count: 1, since: event.at });
      known.clear();
      continue;
    }
    const key = `${event.kind} ${sameWords(event.detail)}`;
    const entry = known.get(key);
    if (entry) {
      entry.count += 1;
      entry.since = event.at;
    } else {
      const fresh = { event, count: 1, since: event.at };
      known.set(key, fresh);
      folded.push(fresh);
    }
  }
  return folded;
}

/** Numbers (a pid, a port, seconds to the next try) do not make it another event. */
function sameWords(detail: string): string {
  return detail.replace(/\d+(?:\.\d+)?/g, "#");
}
