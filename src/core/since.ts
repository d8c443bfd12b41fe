// A moment as people write it: so long ago (`10m`), or a date with its time zone.
import { Fault } from "./fault.ts";
import { quote } from "./quote.ts";

/** Either so many milliseconds ago, or at so many since the Unix epoch. */
export type Since = { readonly agoMs: number } | { readonly atMs: number };

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const AGO = /^(?:\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h|d))+$/;
/** ISO 8601. A date alone is its midnight in UTC; a time without a zone would mean something else on every machine. */
const DATE = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/i;

/** `90s`, `1h30m`, `2026-01-31`, `2026-01-31T12:00:00Z`; throws a `usage` fault for anything else. */
export function parseSince(text: string): Since {
  if (AGO.test(text)) {
    const parts = text.matchAll(/([\d.]+)(ms|s|m|h|d)/g);
    return {
      agoMs: [...parts].reduce((sum, [, count, unit = ""]) => sum + Number(count) * (UNIT_MS[unit] ?? 0), 0),
    };
  }
  const atMs = DATE.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(atMs)) return { atMs };
  throw new Fault("usage", `${quote(text)} is no time`, "write 90s, 10m, 1h30m, 2d, or 2026-01-31T12:00:00Z");
}
