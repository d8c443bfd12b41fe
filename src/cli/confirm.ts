// Asks for a yes on a terminal; where nobody can be asked, a flag has to say it.
import { isatty } from "node:tty";

/** Whether there is somebody to ask: questions go to stderr, as stdout is data. */
export function canAsk(): boolean {
  return isatty(0) && isatty(2);
}

/** One line; only `y` or `yes` is one. Rejects with the signal's reason. */
export function confirm(question: string, signal: AbortSignal): Promise<boolean> {
  const { stdin, stderr } = process;
  stderr.write(`${question} [y/N] `);
  return new Promise((resolve, reject) => {
    let line = "";
    const stop = (end: () => void) => {
      stdin.off("data", onData);
      stdin.off("end", onEnd);
      signal.removeEventListener("abort", onAbort);
      stdin.pause();
      end();
    };
    const onAbort = () => stop(() => reject(signal.reason));
    const onEnd = () => stop(() => resolve(false));
    const onData = (piece: Buffer | string) => {
      line += String(piece);
      if (line.includes("\n")) stop(() => resolve(/^\s*y(es)?\s*$/i.test(line)));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    stdin.on("data", onData);
    stdin.on("end", onEnd);
    stdin.resume();
  });
}
