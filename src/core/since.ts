// A moment as people write it: so long ago (`10m`), or a date with its time zone.
import { durationMs } from "./duration.ts";
import { Fault } from "./fault.ts";
import { quote } from "./quote.ts";

/** Either so many milliseconds ago, or at so many since the Unix epoch. */
export type Since = { readonly agoMs: number } | { readonly atMs: number };

/** ISO 8601. A date alone is its midnight in UTC; a time without a zone would mean something else on every machine. */
const DATE = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/i;

/** The moment itself, in milliseconds since the Unix epoch. */
export function startOf(since: Since, nowMs: number): number {
  return "atMs" in since ? since.atMs : nowMs - since.agoMs;
}

/** `90s`, `1h30m`, `2026-01-31`, `2026-01-31T12:00:00Z`; throws a `usage` fault for anything else. */
export function parseSince(text: string): Since {
  const agoMs = durationMs(text);
  if (agoMs !== undefined) return { agoMs };
  const atMs = DATE.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(atMs)) return { atMs };
  throw new Fault("usage", `${quote(text)} is no time`, "write 90s, 10m, 1h30m, 2d, or 2026-01-31T12:00:00Z");
}
