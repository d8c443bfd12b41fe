// Where the demo is drawn: lines that stay, and below them a few that change while something is going on.
import type { Output, Paint } from "../../cli/output.ts";
import type { Control } from "../../cli/sink.ts";

export interface Stage extends Disposable {
  /** Lines that stay. */
  print(...lines: readonly string[]): void;
  /** Draws lines over those drawn last; only on a terminal, and only if they fit. */
  draw(lines: readonly string[]): void;
  /** The same lines for good, everywhere. */
  settle(lines: readonly string[]): void;
  readonly paint: Paint;
  /** How wide a line may be. */
  columns(): number;
}

const HIDE_CURSOR: Control = { sequence: "\x1b[?25l" };
const SHOW_CURSOR: Control = { sequence: "\x1b[?25h" };
const clearAbove = (lines: number): Control => ({ sequence: `\x1b[${lines}A\r\x1b[J` });

/** Silent with --json. Disposing gives the cursor back. */
export function createStage(out: Output, moving: boolean): Stage {
  const { stdout, paint } = out;
  let drawn = 0;
  const columns = () => Math.min(stdout.size()?.columns ?? 80, 100);

  function write(lines: readonly string[]): void {
    if (out.json) return;
    const width = stdout.size()?.columns ?? Number.POSITIVE_INFINITY;
    const text = lines.map((line) => `${moving ? Bun.sliceAnsi(line, 0, width) : line}\n`).join("");
    stdout.write(...(drawn > 0 ? [clearAbove(drawn)] : []), text);
    drawn = 0;
  }

  if (moving) stdout.write(HIDE_CURSOR);
  return {
    print: (...lines) => write(lines),
    draw(lines) {
      if (!moving) return;
      write(lines);
      drawn = lines.length;
    },
    settle: write,
    paint,
    columns,
    [Symbol.dispose]() {
      if (moving) stdout.write(SHOW_CURSOR);
    },
  };
}
