// Which requests of a service are told in the access log, as people write it.
import { Fault } from "./fault.ts";
import { quote } from "./quote.ts";

/** A part of all requests (1: each), or those that fail; undefined: none. */
export type AccessLogPart = number | "errors" | undefined;

const SAMPLE = /^sample:(0?\.\d{1,9}|1(?:\.0+)?|0)$/;

/** Throws a usage fault. */
export function parseAccessLog(text: string): AccessLogPart {
  if (text === "off") return undefined;
  if (text === "all") return 1;
  if (text === "errors") return "errors";
  const [, part] = SAMPLE.exec(text) ?? [];
  if (part === undefined)
    throw new Fault(
      "usage",
      `expected "off", "errors", "all" or "sample:0.01", got ${quote(text)}`,
      "sample:0.01 is one request in a hundred",
    );
  return Number(part) === 0 ? undefined : Number(part);
}
