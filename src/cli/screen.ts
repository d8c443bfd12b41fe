// A command that has the whole terminal: its other buffer, keys as they are pressed, and everything given back at every end.
// Tried for it: terminal-kit (pulls in 12 packages), blessed (not kept since 2017), ink (React and yoga, 3 MB); what is needed is this.
import { Fault } from "../core/fault.ts";
import { sleep, systemClock } from "../platform/time/clock.ts";
import type { Output } from "./output.ts";
import type { Control } from "./sink.ts";

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** What a full-screen command shows and does. */
export interface Scene {
  /** The lines of the screen as it is now; longer ones are cut, and those too many left out. */
  draw(size: Size): readonly string[];
  /** A key by its name: `up`, `enter`, `escape`, `backspace`, or the character itself. True ends the scene. */
  press(key: string): boolean;
  /** Tells when there is something new to draw. */
  onChange(redraw: () => void): void;
}

const ENTER: Control = { sequence: "\x1b[?1049h\x1b[?25l\x1b[2J" };
const LEAVE: Control = { sequence: "\x1b[?25h\x1b[?1049l" };
const HOME: Control = { sequence: "\x1b[H" };
const CLEAR_LINE_END: Control = { sequence: "\x1b[K" };
/** In raw mode a line feed alone may go straight down. */
const NEXT_LINE: Control = { sequence: "\r\n" };
const CLEAR_BELOW: Control = { sequence: "\x1b[J" };

const SEQUENCES: Readonly<Record<string, string>> = {
  "\x1b[A": "up",
  "\x1b[B": "down",
  "\x1b[C": "right",
  "\x1b[D": "left",
  "\x1bOA": "up",
  "\x1bOB": "down",
  "\x1b[5~": "page up",
  "\x1b[6~": "page down",
  "\r": "enter",
  "\n": "enter",
  "\x1b": "escape",
  "\x7f": "backspace",
  "\b": "backspace",
  "\x03": "interrupt",
  "\x04": "interrupt",
  "\x1a": "suspend",
};
// biome-ignore lint/suspicious/noControlCharactersInRegex: keys are control sequences
const KEY = /\x1b(?:\[[\d;]*[A-Za-z~]|O[A-Z])|[\s\S]/gu;

/** The keys in what a terminal has sent. */
function keysOf(text: string): string[] {
  return (text.match(KEY) ?? []).map((key) => SEQUENCES[key] ?? key);
}

/** Runs a scene on a terminal until it ends or the signal fires, and leaves the terminal as it was. */
async function runScene(out: Output, signal: AbortSignal, scene: Scene): Promise<void> {
  const { stdout } = out;
  const { stdin } = process;
  const over = Promise.withResolvers<void>();
  let isLeft = true;

  function draw(): void {
    if (isLeft) return;
    const size = stdout.size() ?? { columns: 80, rows: 24 };
    const lines = scene.draw(size).slice(0, size.rows);
    const drawn = lines.flatMap((line, place) => {
      const cut = Bun.sliceAnsi(line, 0, size.columns);
      // A line feed behind the last line would scroll.
      return [cut, CLEAR_LINE_END, ...(place < lines.length - 1 ? [NEXT_LINE] : [])];
    });
    stdout.write(HOME, ...drawn, CLEAR_BELOW);
  }

  function enter(): void {
    if (!isLeft) return;
    isLeft = false;
    stdout.write(ENTER);
    stdin.setRawMode?.(true);
    draw();
  }

  function leave(): void {
    if (isLeft) return;
    isLeft = true;
    stdin.setRawMode?.(false);
    stdout.write(LEAVE);
  }

  /** In raw mode Ctrl-Z is only a key. The shell has its terminal back while we stand still. */
  function suspend(): void {
    leave();
    process.kill(process.pid, "SIGSTOP");
  }

  const onData = (piece: Buffer | string) => {
    for (const key of keysOf(String(piece))) {
      if (key === "suspend") return suspend();
      if (key === "interrupt" || scene.press(key)) return over.resolve();
    }
    draw();
  };
  const end = () => over.resolve();
  const hangups = ["SIGHUP", "SIGQUIT"] as const;

  process.on("exit", leave);
  process.on("SIGTSTP", suspend);
  process.on("SIGCONT", enter);
  process.stdout.on("resize", draw);
  for (const hangup of hangups) process.on(hangup, end);
  signal.addEventListener("abort", end, { once: true });
  stdin.on("data", onData);
  stdin.resume();
  try {
    scene.onChange(draw);
    enter();
    if (!signal.aborted) await over.promise;
  } finally {
    leave();
    stdin.off("data", onData);
    stdin.pause();
    signal.removeEventListener("abort", end);
    process.off("exit", leave);
    process.off("SIGTSTP", suspend);
    process.off("SIGCONT", enter);
    process.stdout.off("resize", draw);
    for (const hangup of hangups) process.off(hangup, end);
  }
}

/** Runs a scene as `runScene` does, and `refresh` every `everyMs` meanwhile, which tells the scene what it has found and does not reject. */
export async function runLive(
  out: Output,
  signal: AbortSignal,
  scene: Scene,
  everyMs: number,
  refresh: (signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const stop = new AbortController();
  const reading = repeat(everyMs, refresh, AbortSignal.any([signal, stop.signal]));
  await runScene(out, signal, scene);
  stop.abort();
  await reading;
}

async function repeat(
  everyMs: number,
  refresh: (signal: AbortSignal) => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(systemClock, everyMs, signal).catch(() => {});
    if (!signal.aborted) await refresh(signal);
  }
}

/** What went wrong and what to do, in one line. */
export function faultLine(thrown: unknown): string {
  if (!(thrown instanceof Fault)) return String(thrown);
  return [thrown.message, thrown.hint].filter(Boolean).join("; ");
}

/** What is read in place of a list, from a line on. */
export interface TextPage {
  readonly lines: readonly string[];
  readonly top: number;
}

const SCROLLS: Readonly<Record<string, number>> = {
  ...{ up: -1, k: -1, down: 1, j: 1 },
  ...{ "page up": -10, "page down": 10, " ": 10 },
};

/** After a key; undefined for one that does not scroll. */
export function scrolled({ lines, top }: TextPage, key: string): TextPage | undefined {
  const step = SCROLLS[key];
  if (step === undefined) return undefined;
  return { lines, top: Math.min(Math.max(0, top + step), Math.max(0, lines.length - 3)) };
}

/** The lines of a page and what ends it, as many as there are rows. */
export function drawText({ lines, top }: TextPage, rows: number, foot: string): string[] {
  const body = lines.slice(top, top + rows - 1);
  return [...body, ...new Array<string>(Math.max(0, rows - 1 - body.length)).fill(""), foot];
}

/** What stands at the end of such a page. */
export const SCROLL_HINT = "up, down scroll; escape goes back";

/** A text that is typed, after one more key other than enter and escape. */
export function typed(text: string, key: string): string {
  if (key === "backspace") return text.slice(0, -1);
  return key.length === 1 ? text + key : text;
}

const BARS = "▁▂▃▄▅▆▇█";

/** The last `width` values as small bars, the highest of them full; nothing is the lowest. */
export function sparkline(values: readonly number[], width: number): string {
  const last = values.slice(-width);
  const most = Math.max(0, ...last);
  const bar = (value: number) => BARS[most === 0 ? 0 : Math.round((value / most) * (BARS.length - 1))] ?? "";
  return last.map(bar).join("").padStart(width, " ");
}

/** Fits a text into a column: cut in its middle, where it says least. */
export function fit(text: string, width: number): string {
  const length = Bun.stringWidth(text);
  if (length <= width) return text + " ".repeat(width - length);
  if (width < 3) return Bun.sliceAnsi(text, 0, width);
  const head = Math.ceil((width - 1) / 2);
  return `${Bun.sliceAnsi(text, 0, head)}…${Bun.sliceAnsi(text, length - (width - 1 - head), length)}`;
}
