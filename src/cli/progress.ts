// A sign of life on stderr while something takes its time: a spinner on a terminal, plain lines in a pipe.
import { visible } from "../core/visible.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { Control, Sink } from "./sink.ts";

export interface Progress extends Disposable {
  /** Whether it is drawn over, so that it may change all the time; else each update is a line. */
  readonly moving: boolean;
  /** What is being done now. */
  update(text: string): void;
  /** Ends it with a last line, or without one. */
  done(text?: string): void;
  /** Takes the spinner off the screen until its next frame, so that something else can be written. */
  hide(): void;
}

interface ProgressOptions {
  readonly sink: Sink;
  readonly silent: boolean;
  /** Whether lines may be drawn over. */
  readonly moving: boolean;
  readonly clock: Clock;
}

/** Anything shorter needs no spinner, in milliseconds. */
const PATIENCE_MS = 1_000;
const FRAME_MS = 100;
const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const CLEAR_LINE: Control = { sequence: "\r\x1b[2K" };

/** Own code, as spinner libraries install signal handlers and end the process by themselves. */
export function createProgress(first: string, { sink, silent, moving, clock }: ProgressOptions): Progress {
  let text = first;
  let frame = 0;
  let drawn = false;
  let cancelTimer = () => {};
  let ended = false;
  const beganMs = clock.monotonic();

  function draw(): void {
    const width = (sink.size()?.columns ?? 80) - 1;
    // An end of a line in it would be a second line, which no redraw takes away.
    const seconds = Math.floor((clock.monotonic() - beganMs) / 1000);
    const line = `${FRAMES[frame++ % FRAMES.length]} ${seconds} s  ${visible(text)}`;
    sink.write(CLEAR_LINE, Bun.sliceAnsi(line, 0, width));
    drawn = true;
    cancelTimer = clock.after(FRAME_MS, draw);
  }

  function hide(): void {
    if (drawn) sink.write(CLEAR_LINE);
    drawn = false;
  }

  function done(last?: string): void {
    if (ended) return;
    ended = true;
    cancelTimer();
    hide();
    if (last !== undefined && !silent) sink.write(`${last}\n`);
  }

  const say = () => {
    if (!silent && !moving && !ended) sink.write(`${text}\n`);
  };
  if (!silent) cancelTimer = clock.after(PATIENCE_MS, moving ? draw : say);

  return {
    moving,
    update(next) {
      if (next === text) return;
      text = next;
      if (moving) return;
      cancelTimer();
      say();
    },
    done,
    hide,
    [Symbol.dispose]: () => done(),
  };
}
