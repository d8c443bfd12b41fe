// Asks for a secret: without an echo on a terminal, else as what stands on stdin.
import { Fault } from "../core/fault.ts";

const INTERRUPT = "\x03";
const END = "\x04";
const BACKSPACES = ["\x7f", "\b"];

/** One line. Rejects with the signal's reason, or with a fault when there is none. */
export async function askSecret(prompt: string, signal: AbortSignal): Promise<string> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY) return (await Bun.stdin.text()).trim();
  stderr.write(prompt);
  stdin.setRawMode(true);
  try {
    return await readLine(stdin, signal);
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}

function readLine(stdin: NodeJS.ReadStream, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = "";
    const stop = (end: () => void) => {
      stdin.off("data", onData);
      signal.removeEventListener("abort", onAbort);
      end();
    };
    const onAbort = () => stop(() => reject(signal.reason));
    const onData = (piece: Buffer | string) => {
      for (const character of String(piece)) {
        if (character === "\r" || character === "\n" || character === END) return stop(() => resolve(line));
        // A terminal in raw mode sends no signal for it.
        if (character === INTERRUPT) return stop(() => reject(new Fault("stopped_waiting", "interrupted")));
        line = BACKSPACES.includes(character) ? line.slice(0, -1) : line + character;
      }
    };
    signal.addEventListener("abort", onAbort, { once: true });
    stdin.on("data", onData);
    stdin.resume();
  });
}
