// A command that has the whole terminal: its other buffer, keys as they are pressed, and everything given back at every end.
// Tried for it: terminal-kit (pulls in 12 packages), blessed (not kept since 2017), ink (React and yoga, 3 MB); what is needed is this.
import { Fault } from "../core/fault.ts";
import { visibleOnTerminal } from "../core/visible.ts";
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
  /** What is to be said at the foot; empty takes it away. */
  say(note: string): void;
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
  "\x1b[H": "home",
  "\x1b[1~": "home",
  "\x1bOH": "home",
  "\x1b[F": "end",
  "\x1b[4~": "end",
  "\x1bOF": "end",
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
      // Made visible before it is cut, as that makes it longer.
      const cut = Bun.sliceAnsi(shownLine(line), 0, size.columns);
      // Behind a full line the cursor still stands on its last column, which clearing would take.
      const isFull = Bun.stringWidth(cut) >= size.columns;
      // A line feed behind the last line would scroll.
      return [cut, ...(isFull ? [] : [CLEAR_LINE_END]), ...(place < lines.length - 1 ? [NEXT_LINE] : [])];
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

/** A read that lasts longer is said, as what is shown is of before it. */
const LATE_MS = 4_000;

/** Runs a scene as `runScene` does, and `refresh` every `everyMs` meanwhile: that it fails, or takes long, is said until it is well again. */
export async function runLive(
  out: Output,
  signal: AbortSignal,
  scene: Scene,
  everyMs: number,
  refresh: (signal: AbortSignal) => Promise<unknown>,
): Promise<void> {
  const stop = new AbortController();
  const reading = repeat(scene, everyMs, refresh, AbortSignal.any([signal, stop.signal]));
  await runScene(out, signal, scene);
  stop.abort();
  await reading;
}

async function repeat(
  scene: Scene,
  everyMs: number,
  refresh: (signal: AbortSignal) => Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  let isTold = false;
  const tell = (text: string) => {
    isTold = text !== "";
    if (!signal.aborted) scene.say(text);
  };
  while (!signal.aborted) {
    await sleep(systemClock, everyMs, signal).catch(() => {});
    if (signal.aborted) return;
    const late = `no answer for ${LATE_MS / 1000} s: what is shown is of before`;
    const cancel = systemClock.after(LATE_MS, () => tell(late));
    try {
      await refresh(signal);
      if (isTold) tell("");
    } catch (thrown) {
      tell(`no answer: ${faultLine(thrown)}`);
    } finally {
      cancel();
    }
  }
}

/** What went wrong and what to do, in one line. */
export function faultLine(thrown: unknown): string {
  if (!(thrown instanceof Fault)) return String(thrown);
  return [thrown.message, thrown.hint].filter(Boolean).join("; ");
}

/** What is read in place of a list, from a line of the screen on. */
export interface TextPage {
  readonly lines: readonly string[];
  readonly top: number;
}

/** `atEnd`: of a log the last is what is looked for. */
export function textPage(text: string, atEnd = false): TextPage {
  return { lines: text.split("\n"), top: atEnd ? Number.MAX_SAFE_INTEGER : 0 };
}

const SCROLLS: Readonly<Record<string, number>> = {
  ...{ up: -1, k: -1, down: 1, j: 1 },
  ...{ "page up": -10, "page down": 10, " ": 10 },
  ...{ home: Number.MIN_SAFE_INTEGER, g: Number.MIN_SAFE_INTEGER },
  ...{ end: Number.MAX_SAFE_INTEGER, G: Number.MAX_SAFE_INTEGER },
};

/** After a key; undefined for one that does not scroll. How far it can go is known when it is drawn. */
export function scrolled({ lines, top }: TextPage, key: string): TextPage | undefined {
  const step = SCROLLS[key];
  return step === undefined ? undefined : { lines, top: Math.max(0, top + step) };
}

/** A page as it fits, long lines broken, with what ends it at the foot; and the page as it was scrolled to. */
export function drawText<P extends TextPage>(
  page: P,
  { columns, rows }: Size,
  foot: string,
): { readonly drawn: string[]; readonly page: P } {
  const all = page.lines.flatMap((line) => wrapped(shownLine(line), columns));
  const room = Math.max(1, rows - 1);
  const top = Math.min(page.top, Math.max(0, all.length - room));
  const body = all.slice(top, top + room);
  return { drawn: [...body, ...blank(room - body.length), foot], page: { ...page, top } };
}

/** What stands at the end of such a page. */
export const SCROLL_HINT = "up, down, space, g, G scroll; escape goes back";

/** So many lines. */
export function blank(count: number): string[] {
  return new Array<string>(Math.max(0, count)).fill("");
}

/** Lines that fit, broken between words where there are any, the later ones indented; colours go on. */
export function wrapped(text: string, columns: number): string[] {
  const [first = "", ...more] = Bun.wrapAnsi(text, Math.max(4, columns), WRAP).split("\n");
  if (more.length === 0) return [first];
  const rest = Bun.wrapAnsi(more.join(" "), Math.max(4, columns - INDENT.length), WRAP);
  return [first, ...rest.split("\n").map((line) => INDENT + line)];
}

const WRAP = { hard: true, trim: false };
const INDENT = "  ";

/** The longest that fits, of which the last is the shortest. */
export function longest(texts: readonly string[], columns: number): string {
  return texts.find((text) => Bun.stringWidth(text) <= columns) ?? texts.at(-1) ?? "";
}

/** One line of a screen: what would move the cursor is made visible, and a tab is as wide as it is counted. */
function shownLine(line: string): string {
  return visibleOnTerminal(line).replaceAll("\t", "    ");
}

/** A text that is typed, after one more key other than enter and escape. Ctrl-U begins anew. */
export function typed(text: string, key: string): string {
  if (key === "backspace") return [...text].slice(0, -1).join("");
  if (key === "\x15") return "";
  return [...key].length === 1 && !/\p{Cc}/u.test(key) ? text + key : text;
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
