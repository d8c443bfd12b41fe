// The same answer again and again: drawn over itself on a terminal, one after the other in a pipe.

import { visibleOnTerminal } from "../core/visible.ts";
import { type Clock, sleep } from "../platform/time/clock.ts";
import type { Output } from "./output.ts";
import type { Control } from "./sink.ts";

export interface Frame {
  readonly value: Readonly<Record<string, unknown>>;
  readonly text: () => string;
}

interface WatchOptions {
  readonly out: Output;
  readonly clock: Clock;
  readonly periodMs: number;
  /** Ends the watch, as a normal end: it is how one stops watching. */
  readonly signal: AbortSignal;
}

const CLEAR_SCREEN: Control = { sequence: "\x1b[2J" };
const HOME: Control = { sequence: "\x1b[H" };
const CLEAR_LINE_END: Control = { sequence: "\x1b[K" };
const CLEAR_BELOW: Control = { sequence: "\x1b[J" };

/** Shows a frame every `periodMs` until the signal fires; rejects when a frame cannot be made. */
export async function watch(
  { out, clock, periodMs, signal }: WatchOptions,
  makeFrame: () => Promise<Frame>,
): Promise<void> {
  for (let first = true; !signal.aborted; first = false) {
    const { value, text } = await untilStopped(makeFrame(), signal);
    if (signal.aborted) return;
    // Of a terminal without a size nobody knows what fits.
    if (out.canDraw && out.stdout.size()) redraw(text(), out, first);
    else out.data(value, () => `${first ? "" : "\n"}${text()}`);
    await sleep(clock, periodMs, signal).catch(() => {});
  }
}

async function untilStopped(frame: Promise<Frame>, signal: AbortSignal): Promise<Frame> {
  try {
    return await frame;
  } catch (error) {
    if (!signal.aborted) throw error;
    return { value: {}, text: () => "" };
  }
}

/** Only what fits: a terminal that scrolls cannot be drawn over. */
function redraw(text: string, { stdout }: Output, first: boolean): void {
  const { columns, rows } = stdout.size() ?? { columns: 80, rows: 24 };
  const lines = visibleOnTerminal(text)
    .trimEnd()
    .split("\n")
    .slice(0, rows - 1);
  const drawn = lines.flatMap((line) => [Bun.sliceAnsi(line, 0, columns), CLEAR_LINE_END, "\n"]);
  stdout.write(...(first ? [CLEAR_SCREEN] : []), HOME, ...drawn, CLEAR_BELOW);
}
