// Where a set-up plays: a directory and processes of its own, all of which are gone when it is over.
import { chmodSync, mkdtempSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { marked, startGuard } from "./guard.ts";

const ROOT = join(import.meta.dir, "../..");
/** With `bun` in it, which the app runs on. */
const PATH = `${dirname(process.execPath)}:${process.env.PATH ?? ""}`;

export interface Ended {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

export type Child = ReturnType<typeof Bun.spawn>;

export class Stage implements AsyncDisposable {
  readonly path = realpathSync(mkdtempSync(join(tmpdir(), "ten-example-")));
  readonly #guard = startGuard(this.path);
  readonly #last = new AsyncDisposableStack();

  constructor() {
    // A database in it runs as another user than root, and what a tool puts among temporary files goes with the rest.
    chmodSync(this.path, 0o711);
    process.env.TMPDIR = this.path;
  }

  file(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  /** Ended with the stage, in the reverse order. */
  defer(end: () => Promise<unknown> | unknown): void {
    this.#last.defer(async () => void (await end()));
  }

  /** A server: what it says goes into a file beside the others. */
  start(
    name: string,
    words: readonly string[],
    env: Readonly<Record<string, string>>,
    cwd = this.path,
  ): Child {
    const log = Bun.file(this.file(`${name}.log`));
    return Bun.spawn([...words], {
      cwd,
      env: { PATH, ...marked(cwd), ...env },
      stdin: "ignore",
      stdout: log,
      stderr: log,
    });
  }

  async run(
    words: readonly string[],
    env: Readonly<Record<string, string>>,
    cwd = this.path,
  ): Promise<Ended> {
    const child = Bun.spawn([...words], {
      cwd,
      env: { PATH, NO_COLOR: "1", ...marked(cwd), ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, exit] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { exit, stdout, stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last.disposeAsync();
    await this.#guard.end();
  }
}

export const TEN = join(ROOT, "dist/ten");
export const SLUM = join(ROOT, "dist/slum");
export const RELEASES = join(ROOT, "examples/notes/releases");

/** Looks again and again until it is so. */
export async function until(
  what: string,
  look: () => Promise<boolean> | boolean,
  limitMs = 60_000,
): Promise<void> {
  for (const late = performance.now() + limitMs; performance.now() < late; await Bun.sleep(20))
    if (await look()) return;
  throw new Error(`not in time: ${what}`);
}

/** A port that nobody has at this moment. */
export function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}
