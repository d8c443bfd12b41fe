// Retry-After as senders write it.
import { expect, test } from "bun:test";
import { parseRetryAfter } from "../../src/core/retry-after.ts";

const NOW = Date.parse("Fri, 31 Dec 1999 23:59:00 GMT");

test.each<[string | undefined, number | undefined]>([
  ["120", 120_000],
  [" 0 ", 0],
  ["Fri, 31 Dec 1999 23:59:59 GMT", 59_000],
  ["Friday, 31-Dec-99 23:59:59 GMT", 59_000],
  ["Fri, 31 Dec 1999 23:00:00 GMT", 0],
  ["-5", undefined],
  ["1.5", undefined],
  ["1e3", undefined],
  ["soon", undefined],
  ["", undefined],
  [undefined, undefined],
])("%p is %p ms", (text, ms) => expect(parseRetryAfter(text, NOW)).toBe(ms));
