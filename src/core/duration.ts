// A length of time as people write it: `90s`, `1h30m`, `30d`.
import { Fault } from "./fault.ts";
import { quote } from "./quote.ts";

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const DURATION = /^(?:\d{1,9}(?:\.\d{1,3})?(?:ms|s|m|h|d))+$/;

const YEAR_MS = 365 * 86_400_000;

/** A value of Strict-Transport-Security (RFC 6797 section 6.1): `1y`, `30d`, or that with `includeSubDomains` and `preload`. Throws a usage fault for anything else. */
export function parseHsts(text: string): string {
  const [time = "", ...more] = text.trim().split(/[\s;]+/);
  const years = /^(\d{1,2})y$/.exec(time)?.[1];
  const ms = years === undefined ? durationMs(time) : Number(years) * YEAR_MS;
  const known = ["includeSubDomains", "preload"];
  const words = more.map((word) => known.find((one) => one.toLowerCase() === word.toLowerCase()));
  if (ms === undefined || words.includes(undefined))
    throw new Fault("usage", `${quote(text)} is no value for hsts`, 'write "1y", or "1y includeSubDomains"');
  return [`max-age=${Math.round(ms / 1000)}`, ...words].join("; ");
}

/** In milliseconds; undefined when it is none. */
export function durationMs(text: string): number | undefined {
  if (!DURATION.test(text)) return undefined;
  const parts = text.matchAll(/([\d.]+)(ms|s|m|h|d)/g);
  return [...parts].reduce((sum, [, count, unit = ""]) => sum + Number(count) * (UNIT_MS[unit] ?? 0), 0);
}

/** In milliseconds; a usage fault for anything else. */
export function parseDuration(text: string, label = "duration"): number {
  const ms = text === "0" ? 0 : durationMs(text);
  if (ms !== undefined) return ms;
  throw new Fault("usage", `${label} ${quote(text)} is no length of time`, "write 90s, 10m, 1h30m or 30d");
}
