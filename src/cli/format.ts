// Durations, sizes and percentages as people read them.

const UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["m", 60],
  ["s", 1],
] as const;

/** `3d 4h`, `2m 5s`, `12s`: the two largest units, of whole seconds. */
export function formatSeconds(seconds: number): string {
  let rest = Math.max(0, Math.floor(seconds));
  const parts: string[] = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ") || "0s";
}

/** A moment in RFC 3339 as a clock on the wall here shows it, `14:02:09`; with the date when that is not today's. */
export function formatMoment(at: string, now: Date = new Date()): string {
  const date = new Date(at);
  const time = date.toTimeString().slice(0, 8);
  if (date.toDateString() === now.toDateString()) return time;
  const two = (part: number) => String(part).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

/** `0.8 ms`, `12 ms`, `1.25 s`; a longer time as formatSeconds has it. */
export function formatMillis(ms: number): string {
  if (ms < 10) return `${trim(ms, 1)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${trim(ms / 1_000, 2)} s` : formatSeconds(ms / 1_000);
}

/** `512 B`, `1.5 MB`: steps of 1024, as `docker stats` and `ps` count. */
export function formatBytes(bytes: number): string {
  const steps = ["B", "KB", "MB", "GB", "TB"];
  let value = Math.max(0, bytes);
  let step = 0;
  while (Math.round(value) >= 1024 && step < steps.length - 1) {
    value /= 1024;
    step += 1;
  }
  return `${trim(value, value < 10 && step > 0 ? 1 : 0)} ${steps[step]}`;
}

/** `33.33%`, `10%`: at most two decimals, none for nothing; `value` is in percent. */
export function formatPercent(value: number): string {
  return `${trim(value, 2)}%`;
}

/** At most so many decimals, without zeros at the end. */
function trim(value: number, decimals: number): string {
  return String(Number(value.toFixed(decimals)));
}

/** What a proxy has answered itself, and of a time how many requests there were in all where that is known. */
interface ProxyAnswers {
  readonly window_secs: number;
  readonly reasons: readonly ReasonCount[];
  readonly windows: readonly {
    readonly window_secs: number;
    readonly count: number;
    readonly requests?: number | null;
  }[];
}

/** `server`: the one that was asked last, null: none was; missing where that is not told. */
interface ReasonCount {
  readonly reason: string;
  readonly status: number;
  readonly count: number;
  readonly server?: string | null;
}

/** More of them are a number. */
const MOST_REASONS = 6;

/**
 * `the proxy itself answered 5 requests in the last 5 min: 5 with 503 nothing_routable; 2 of them in the last minute`; undefined: none.
 * `who` is the proxy's name.
 */
export function formatProxyAnswers(
  { window_secs: secs, reasons, windows }: ProxyAnswers,
  who = "the proxy",
): string | undefined {
  if (reasons.length === 0) return undefined;
  const total = reasons.reduce((sum, { count }) => sum + count, 0);
  const minute = windows.find(({ window_secs: of }) => of === 60)?.count ?? 0;
  const requests = windows.find(({ window_secs: of }) => of === secs)?.requests ?? null;
  const recent = minute >= total ? "" : `; ${minute === 0 ? "none" : minute} of them in the last minute`;
  const what = requests === null ? counted(total, "request") : `${total} of ${counted(requests, "request")}`;
  return `${who} itself answered ${what} in the last ${secs / 60} min: ${formatReasons(reasons)}${recent}`;
}

/** `30 with 502 bad_gateway (iad asked last), 7 with 503 nothing_routable (none asked)`. */
export function formatReasons(reasons: readonly ReasonCount[]): string {
  const each = reasons.slice(0, MOST_REASONS).map(({ count, status, reason, server }) => {
    const asked = server === undefined ? "" : ` (${server === null ? "none asked" : `${server} asked last`})`;
    return `${count} with ${status} ${reason}${asked}`;
  });
  const more = reasons.slice(MOST_REASONS).reduce((sum, { count }) => sum + count, 0);
  return [...each, ...(more > 0 ? [`${more} others`] : [])].join(", ");
}

/** `1 server`, `2 servers`. */
export function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}
