// A command in a terminal of its own, as a person sees it: what was written, and keys to press.
import { until } from "./until.ts";

export interface Terminal extends AsyncDisposable {
  /** Every byte that reached the terminal. */
  output(): string;
  press(keys: string): void;
  resize(columns: number, rows: number): void;
  /** Waits until the output has the text. */
  shows(text: string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  readonly pid: number;
  readonly exited: Promise<number>;
}

interface Options {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly columns?: number;
  readonly rows?: number;
  /** Told of every piece as it comes. */
  readonly onData?: (bytes: Uint8Array) => void;
}

export function startInTerminal(words: readonly string[], options: Options = {}): Terminal {
  const { cwd = ".", env = {}, columns = 100, rows = 30, onData } = options;
  const decoder = new TextDecoder();
  let output = "";
  const child = Bun.spawn([...words], {
    cwd,
    env: { ...process.env, TERM: "xterm-256color", NO_COLOR: undefined, ...env },
    terminal: {
      cols: columns,
      rows,
      data(_, bytes) {
        output += decoder.decode(bytes, { stream: true });
        onData?.(bytes);
      },
    },
  });
  return {
    output: () => output,
    press: (keys) => void child.terminal?.write(keys),
    resize: (width, height) => void child.terminal?.resize(width, height),
    async shows(text) {
      await until(`the terminal shows ${text}`, () => output.includes(text));
    },
    kill: (signal) => child.kill(signal),
    pid: child.pid,
    exited: child.exited,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
      child.terminal?.close();
    },
  };
}
