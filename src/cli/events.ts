// What `ten events` and `slum events` share: how many, since when, of which kind, by whom; shown once or followed.
import { parseSince } from "../core/since.ts";
import { flag, number, option, withDefault } from "./argument.ts";
import type { Context } from "./command.ts";
import type { Output } from "./output.ts";

/** Who did it, and where from; null where nobody did. */
interface Actor {
  readonly by: string | null;
  readonly from: string | null;
}

/** What was asked for, apart from what was left out. */
interface Query {
  readonly limit: number;
}

interface Source<E> {
  last(): Promise<{ readonly events: readonly E[] }>;
  follow(): AsyncIterable<E>;
}

/** `kinds` are examples of the program's own. */
export function eventsOptions(kinds: string) {
  return {
    follow: flag("Go on with every further event", { letter: "f" }),
    limit: withDefault(number("How many of the last events", { letter: "n", max: 10_000 }), 100),
    since: option("Only what happened since then, such as 2h or 2026-01-31T12:00:00Z", {
      hint: "TIME",
      read: readSince,
    }),
    kind: option(`Only this kind, such as ${kinds}`, { hint: "KIND" }),
    by: option("Only what this token or user did", { hint: "NAME" }),
  };
}

/** Checked here and kept as written: the server's clock is the one that counts. */
function readSince(text: string): string {
  parseSince(text);
  return text;
}

/** Shows the last events, or with `follow` those and every further one; answers the exit code. */
export async function showEvents<E extends Readonly<Record<string, unknown>>>(
  { out }: Pick<Context, "out">,
  follow: boolean,
  query: Query,
  source: Source<E>,
  format: (event: E) => string,
): Promise<number> {
  if (follow) {
    for await (const event of source.follow()) out.data({ ...event }, () => format(event));
    return 0;
  }
  const { events } = await source.last();
  out.data({ events }, () => events.map(format).join(""));
  const filters = Object.keys(query).length - 1;
  if (events.length === 0) out.info(`nothing ${filters > 0 ? "of that has happened" : "has happened yet"}`);
  return 0;
}

/** Empty when nobody did it. */
export function actorText({ paint }: Pick<Output, "paint">, { by, from }: Actor): string {
  return by === null ? "" : paint("yellow", from === null ? by : `${by} (${from})`);
}
