// The arithmetic of charts: scales that end at round numbers, paths with gaps, and times at round minutes.

export interface Scale {
  readonly left: number;
  readonly width: number;
  readonly top: number;
  readonly height: number;
  /** Steps from left to right. */
  readonly count: number;
  /** The value at the top. */
  readonly most: number;
}

const ROUND = [1, 2, 2.5, 4, 5, 8, 10] as const;

/** The next round number at or above; 1 for nothing. */
export function niceTop(value: number): number {
  if (!(value > 0)) return 1;
  const scale = 10 ** Math.floor(Math.log10(value));
  const part = ROUND.find((one) => one * scale >= value * 0.999_999) ?? 10;
  return part * scale;
}

/** The path of a line; where there is no value there is no line, and one value between two gaps is a dot. */
export function linePath(
  values: readonly (number | null)[],
  { left, width, top, height, count, most }: Scale,
): string {
  const at = (place: number) => (left + (place / Math.max(1, count - 1)) * width).toFixed(1);
  const to = (value: number) => (top + height * (1 - Math.min(1, value / most))).toFixed(1);
  let path = "";
  for (const [place, value] of values.entries()) {
    if (value === null) continue;
    const before = place > 0 ? values[place - 1] : null;
    const after = values[place + 1] ?? null;
    const starts = before === null || before === undefined;
    path += `${starts ? "M" : "L"}${at(place)},${to(value)}`;
    if (starts && after === null) path += "h0.1";
  }
  return path;
}

const MINUTE = 60_000;
const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360] as const;
/** A time takes so much room. */
const TICK_PX = 64;

/** Times to write below a chart, in milliseconds: as many round ones as fit. */
export function timeTicks(fromMs: number, toMs: number, width: number): number[] {
  const most = Math.max(1, Math.floor(width / TICK_PX));
  const minutes = (toMs - fromMs) / MINUTE;
  const every = (TICKS.find((one) => minutes / one <= most) ?? 720) * MINUTE;
  const first = Math.ceil(fromMs / every) * every;
  const ticks: number[] = [];
  // Those at the very edges would be cut, or lie upon the scale beside them.
  const edgeMs = (TICK_PX / 3 / width) * (toMs - fromMs);
  for (let ms = first; ms < toMs - edgeMs; ms += every) if (ms > fromMs + edgeMs) ticks.push(ms);
  return ticks;
}
