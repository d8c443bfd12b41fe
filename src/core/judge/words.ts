// Numbers as sentences say them: percentages, counts, odds, spans of time.
import type { Sample } from "./confidence.ts";

/** `4.1 %`, `0.02 %`, `34 %`. */
export function percent(part: number): string {
  return `${Number((part * 100).toPrecision(2))} %`;
}

/** `1,236`. */
export function whole(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** `84,000 to 1`: two digits are all that is known. */
export function oddsText(odds: number): string {
  if (odds >= 1e9) return "over 1,000,000,000 to 1";
  return `${whole(Number(odds.toPrecision(2)))} to 1`;
}

/** `28 s`, `2 min`, `1.5 h`, `3 days`. */
export function spanText(ms: number): string {
  const seconds = ms / 1000;
  if (!Number.isFinite(seconds)) return "no foreseeable time";
  if (seconds < 90) return `${Math.max(seconds > 0 ? 1 : 0, Math.round(seconds))} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  const hours = seconds / 3600;
  return hours < 48 ? `${Number(hours.toFixed(1))} h` : `${Math.round(hours / 24)} days`;
}

/** `2 points`, `0.5 points`, `1 point`. */
export function points(notice: number): string {
  const count = Number((notice * 100).toPrecision(2));
  return `${count} ${count === 1 ? "point" : "points"}`;
}

/** `4.1 % errors (17 of 412)`. */
export function errorsText([answers, errors]: Sample): string {
  return `${percent(answers === 0 ? 0 : errors / answers)} errors (${whole(errors)} of ${whole(answers)})`;
}
