// Reads the access log: its last lines, and further ones as they come, whoever rotates it meanwhile.
import { createLineFollower, type Line, readTail } from "../../platform/logs/log-file.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";

const LOOK_EVERY_MS = 250;

/** A line as it was written, parsed; undefined: it is none of ours. */
export type AccessLine = Readonly<Record<string, unknown>>;
type Meant = (line: AccessLine) => boolean;

/** The newest `limit` lines that are meant, oldest first, and where in the file they end; none where there is no file. */
export async function lastLines(
  path: string,
  limit: number,
  isMeant: Meant,
): Promise<{ lines: AccessLine[]; end: number }> {
  const matches = (text: string) => meantIn(text, isMeant) !== undefined;
  const { lines, end } = await readTail(path, { limit, matches });
  return { lines: meantOf(lines, isMeant), end };
}

/** Every line behind `end` that is meant. */
export async function* furtherLines(
  path: string,
  end: number,
  isMeant: Meant,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): AsyncGenerator<AccessLine> {
  const follower = createLineFollower(path, end);
  while (!signal.aborted) {
    const news = await follower.next();
    yield* meantOf(news, isMeant);
    if (news.length === 0) await sleep(clock, LOOK_EVERY_MS, signal).catch(() => {});
  }
}

function meantOf(lines: readonly Line[], isMeant: Meant): AccessLine[] {
  return lines.map(({ text }) => meantIn(text, isMeant)).filter((line) => line !== undefined);
}

function meantIn(text: string, isMeant: Meant): AccessLine | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    const line = JSON.parse(text) as AccessLine;
    return isMeant(line) ? line : undefined;
  } catch {
    return undefined;
  }
}
