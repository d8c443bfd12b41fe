// Times as a page shows them: in the visitor's own zone and order, and midnight is 00, as on a clock.

const CLOCK = { hourCycle: "h23" } as const;

/** With its seconds; of milliseconds since the epoch, or RFC 3339. */
export function clockOf(at: number | string): string {
  return new Date(at).toLocaleTimeString([], CLOCK);
}

/** Hour and minute, as below a chart. */
export function minuteOf(at: number): string {
  return new Date(at).toLocaleTimeString([], { ...CLOCK, hour: "2-digit", minute: "2-digit" });
}

/** Day and minute. */
export function dayOf(at: string): string {
  return new Date(at).toLocaleString([], { ...CLOCK, dateStyle: "short", timeStyle: "short" });
}

/** Day and second. */
export function momentOf(at: number | string): string {
  return new Date(at).toLocaleString([], { ...CLOCK, dateStyle: "medium", timeStyle: "medium" });
}
