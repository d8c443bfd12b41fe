// Values as people write them in other tools: "30s", "2m", "512M", "10%"; what is none of it is left as it is, for the schema to refuse.
import { durationMs } from "../../core/duration.ts";

/** "2m" in seconds; a text without a unit counts as seconds. */
export function inSeconds(value: unknown): unknown {
  const ms = millisOf(value, 1000);
  return ms === undefined ? value : ms / 1000;
}

/** "1s" in milliseconds; a text without a unit counts as milliseconds. */
export function inMillis(value: unknown): unknown {
  return millisOf(value, 1) ?? value;
}

function millisOf(value: unknown, unitMs: number): number | undefined {
  if (typeof value !== "string") return undefined;
  const text = value.replace(/\s+/g, "").toLowerCase();
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * unitMs;
  return durationMs(
    text.replace(/(?<=\d)(?:secs?|seconds?)\b/, "s").replace(/(?<=\d)(?:mins?|minutes?)\b/, "m"),
  );
}

const MEGABYTES: Readonly<Record<string, number>> = { k: 1 / 1024, m: 1, g: 1024, t: 1024 * 1024 };

/** "512M", "512 MB", "1GiB" in megabytes of 1024 times 1024; a text without a unit counts as megabytes. */
export function inMegabytes(value: unknown): unknown {
  if (typeof value !== "string") return value;
  const [, number, unit = "m"] = /^\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])i?b?)?\s*$/i.exec(value) ?? [];
  return number === undefined ? value : Number(number) * (MEGABYTES[unit.toLowerCase()] ?? 1);
}

/** "10%" as 10. */
export function inPercent(value: unknown): unknown {
  const number = typeof value === "string" ? /^\s*(\d+(?:\.\d+)?)\s*%?\s*$/.exec(value)?.[1] : undefined;
  return number === undefined ? value : Number(number);
}

/** In an environment all is text: 5 is "5", and true is "true". */
export function asText(value: unknown): unknown {
  return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean"
    ? String(value)
    : value;
}
