// Rows that come one after the other, for a client that follows them: the last ones first, then every further one.

/** Rows that a slow client may leave unread before the oldest are dropped. */
const BACKLOG_MAX = 1_000;

/** `past`, then what `listen` calls back with, as far as it is meant; ends with the signal. */
export async function* followRows<R extends { readonly seq: number }>(
  past: readonly R[] | Promise<readonly R[]>,
  listen: (call: (row: R) => void) => () => void,
  isMeant: (row: R) => boolean,
  signal: AbortSignal,
): AsyncGenerator<R> {
  const waiting: R[] = [];
  let wake = () => {};
  const stop = listen((row) => {
    if (!isMeant(row)) return;
    waiting.push(row);
    if (waiting.length > BACKLOG_MAX) waiting.shift();
    wake();
  });
  signal.addEventListener("abort", () => wake(), { once: true });
  try {
    const begun = await past;
    const last = begun.at(-1)?.seq ?? 0;
    yield* begun;
    while (!signal.aborted) {
      const next = waiting.shift();
      if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
      else if (next.seq > last) yield next;
    }
  } finally {
    stop();
  }
}

export async function* map<A, B>(source: AsyncIterable<A>, change: (value: A) => B): AsyncGenerator<B> {
  for await (const value of source) yield change(value);
}
