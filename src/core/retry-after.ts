// The field Retry-After (RFC 9110 section 10.2.3): how long who has answered asks to be left alone.

/** Milliseconds from now, of seconds or of a date; undefined when there is no such field, or nothing in it that can be read. */
export function parseRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  const value = text?.trim() ?? "";
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  // Dates begin with the name of a day; Date.parse takes much that is none.
  const at = /^[A-Z][a-z]+,? /.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}
