// What a set-up has started is gone when it ends, in whatever way, kill -9 too: a guard outside of it waits for that end.
import { readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";

/** The variable that marks processes; `ten` hands it on to what it starts, as it does not hand on its own (TEN_*). */
const MARK = "EXAMPLE_STAGE";
const LOOK_MS = 50;
const PATIENCE_MS = 20_000;

export interface Guard {
  /** Resolves when all is gone. */
  end(): Promise<unknown>;
}

/** What a process of this directory, and what it starts itself, is to have in its environment. */
export function marked(directory: string): Record<string, string> {
  return { [MARK]: directory };
}

/** Ends whatever is marked with the directory, and removes it, when `end` is called or this process is no more. */
export function startGuard(directory: string): Guard {
  const { PATH = "" } = process.env;
  const guard = Bun.spawn([process.execPath, import.meta.path, directory], {
    // Without the mark, and in a session of its own, so that a Ctrl-C in the terminal leaves it to its work.
    env: { PATH },
    detached: true,
    stdin: "pipe",
    stdout: "ignore",
    stderr: "inherit",
  });
  guard.unref();
  return {
    async end() {
      await guard.stdin.end();
      await guard.exited;
    },
  };
}

/** kill -9 of all that is marked with the directory, or one in it, and of what works in it, until there is none of it. */
export async function sweep(directory: string): Promise<void> {
  let clean = 0;
  // Twice, as what was being started at the first look has no mark yet.
  for (const late = performance.now() + PATIENCE_MS; clean < 2 && performance.now() < late; ) {
    const found = processesOf(directory);
    for (const pid of found) kill(pid);
    clean = found.length === 0 ? clean + 1 : 0;
    if (clean < 2) await Bun.sleep(LOOK_MS);
  }
}

function processesOf(directory: string): number[] {
  const all = process.platform === "linux" ? fromProc() : fromPs();
  const isWithin = (path: string) => `${path}/`.startsWith(`${directory}/`);
  return all.flatMap(({ pid, mark, cwd }) =>
    pid !== process.pid && (isWithin(mark) || isWithin(cwd)) ? [pid] : [],
  );
}

interface Found {
  readonly pid: number;
  readonly mark: string;
  readonly cwd: string;
}

function fromProc(): Found[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => {
    const environment = orNothing(() => readFileSync(`/proc/${pid}/environ`, "utf8")).split("\0");
    const mark = environment.find((one) => one.startsWith(`${MARK}=`))?.slice(MARK.length + 1) ?? "";
    return { pid: Number(pid), mark, cwd: orNothing(() => readlinkSync(`/proc/${pid}/cwd`)) };
  });
}

/** Elsewhere there is no /proc, and where a process works is not told. */
function fromPs(): Found[] {
  const { stdout } = Bun.spawnSync(["ps", "-axEww", "-o", "pid=,command="]);
  return [...stdout.toString().matchAll(new RegExp(`^ *(\\d+) .*\\b${MARK}=(\\S+)`, "gm"))].map(
    ([, pid, mark = ""]) => ({ pid: Number(pid), mark, cwd: "" }),
  );
}

function orNothing(read: () => string): string {
  try {
    return read();
  } catch {
    // It has ended meanwhile, or is somebody else's.
    return "";
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It is gone already.
  }
}

if (import.meta.main) {
  const directory = process.argv[2];
  if (directory === undefined) throw new Error("guard.ts is started with the directory of a set-up");
  await Bun.stdin.text();
  await sweep(directory);
  rmSync(directory, { recursive: true, force: true });
}
