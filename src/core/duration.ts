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
