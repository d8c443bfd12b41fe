// A real `ten serve` from the compiled binary in a directory of its own, and commands as a user types them.

import { setDefaultTimeout } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { APPS } from "../support/apps.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";

// Real processes on a busy machine take their time: more than one wait of test/support/until.ts.
setDefaultTimeout(180_000);

const BINARY = join(import.meta.dir, "../../dist/ten");

export type Runtime = keyof typeof APPS;

export interface Result {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that still runs. */
export interface Running {
  readonly pid: number;
  /** What it has written so far, stdout and stderr together. */
  readonly output: () => string;
  /** Resolves when its output contains the text; rejects when it ends without. */
  said(text: string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  readonly done: Promise<Result>;
}

/** One instance as `ten ps --json` shows it. */
export interface Shown {
  readonly id: string;
  readonly version: string;
  readonly state: string;
  readonly reason: string;
  readonly weight: number;
  readonly share: number;
  readonly port: number | null;
  readonly pid: number | null;
  readonly restarts: number;
  readonly uptime_secs: number | null;
  readonly last_exit: string | null;
  readonly requests: number;
  readonly errors: number;
  readonly differs: readonly string[];
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** The instance that answered, `api:v1`. */
  readonly instance: string | null;
}

export interface Ten extends AsyncDisposable {
  readonly dir: string;
  readonly dataDir: string;
  readonly port: number;
  readonly pid: number;
  /** What the server has written to stderr. */
  log(): Promise<string>;
  run(...words: string[]): Promise<Result>;
  /** Runs a command that has to succeed. */
  ok(...words: string[]): Promise<Result>;
  /** Runs a command with --json and answers what it printed, whatever its exit code. */
  json<T = Record<string, unknown>>(...words: string[]): Promise<T>;
  /** Runs a command beside the test; it is killed with the server. */
  begin(...words: string[]): Running;
  /** All instances, also those that are stopped, by id. */
  ps(): Promise<Record<string, Shown>>;
  get(host: string, path?: string, init?: RequestInit): Promise<Answer>;
  /** Sends so many requests, `at once` in flight, and counts the instances that answered; failures count as their status. */
  split(host: string, count: number, atOnce?: number): Promise<Record<string, number>>;
  kill(signal: NodeJS.Signals): void;
  /** The exit code of the server process. */
  readonly exited: Promise<number>;
  /** Starts the server again after it has ended, with more words. */
  start(...words: string[]): Promise<void>;
}

export interface TenOptions {
  readonly runtime?: Runtime;
  /** More lines for `[service.api]`. */
  readonly service?: string;
  readonly toml?: string;
  /** Where it listens, also when it is started again; any free port unless given. */
  readonly port?: number;
  readonly serve?: readonly string[];
  /** More of the environment, for the server and the commands; an empty TENEMENT_DATA_DIR leaves the directory to `ten`. */
  readonly env?: Record<string, string>;
  /** Another executable for the first start. */
  readonly binary?: string;
  /** What `serve` is started by, `nsenter` and its words. */
  readonly within?: readonly string[];
  /** Writes what else has to be in the directory before the server starts. */
  prepare?(dir: string): void;
}

/** The usual configuration: one service `api`, the test app. */
export function tomlFor(runtime: Runtime, more = ""): string {
  const [program, ...args] = APPS[runtime];
  return `
[settings]
health_check_interval = 1
selector_from = ["127.0.0.0/8", "::1"]

[service.api]
command = ${JSON.stringify(program)}
args = ${JSON.stringify(args)}
health = "/health"
drain_timeout = 10
stop_grace_period_secs = 3
startup_timeout = 15
${more}
`;
}

export async function startTen(options: TenOptions = {}): Promise<Ten> {
  if (!existsSync(BINARY)) throw new Error("dist/ten is missing: bun run build");
  const temp = createTempDir();
  const dataDir = join(temp.path, "tenement-data");
  writeFileSync(
    join(temp.path, "tenement.toml"),
    options.toml ?? tomlFor(options.runtime ?? "bun", options.service),
  );
  options.prepare?.(temp.path);
  const env = environment(temp.path, options.env);
  const begun = new Set<Running>();
  let binary = options.binary ?? BINARY;
  let server = await serve();
  binary = BINARY;

  async function serve(...more: string[]) {
    const logFile = join(temp.path, "serve.log");
    const port = String(options.port ?? 0);
    const words = ["serve", "--port", port, "--json", ...(options.serve ?? []), ...more];
    const child = Bun.spawn([...(options.within ?? []), binary, ...words], {
      cwd: temp.path,
      env,
      stdin: "ignore",
      stdout: "pipe",
      stderr: Bun.file(logFile),
    });
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    if (!value) throw new Error(`ten serve ended: ${await Bun.file(logFile).text()}`);
    const { url } = JSON.parse(new TextDecoder().decode(value)) as { url: string };
    return { child, port: Number(new URL(url).port), logFile };
  }

  const run = (...words: string[]) => runTen(temp.path, words, options.env);

  async function get(host: string, path = "/", init: RequestInit = {}): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, {
      ...init,
      headers: { ...(init.headers as Record<string, string>), Host: host },
      redirect: "manual",
      proxy: false,
    } as RequestInit);
    return {
      status: response.status,
      body: await response.text(),
      instance: response.headers.get("x-ten-instance"),
    };
  }

  return {
    dir: temp.path,
    dataDir,
    get port() {
      return server.port;
    },
    get pid() {
      return server.child.pid;
    },
    get exited() {
      return server.child.exited;
    },
    log: () => Bun.file(server.logFile).text(),
    run,
    async ok(...words) {
      const result = await run(...words);
      if (result.exit !== 0)
        throw new Error(`ten ${words.join(" ")} exited ${result.exit}: ${result.stderr}${result.stdout}`);
      return result;
    },
    async json(...words) {
      const result = await run(...words, "--json");
      return JSON.parse(result.stdout);
    },
    begin(...words) {
      const running = beginTen(temp.path, words, options.env);
      begun.add(running);
      return running;
    },
    async ps() {
      const { stdout } = await run("ps", "--all", "--json");
      const { instances } = JSON.parse(stdout) as { instances: Shown[] };
      return Object.fromEntries(instances.map((one) => [one.id, one]));
    },
    get,
    async split(host, count, atOnce = 1) {
      const seen: Record<string, number> = {};
      let left = count;
      const visitor = async () => {
        while (left-- > 0) {
          const { status, instance } = await get(host);
          const key = status === 200 ? (instance ?? "nobody") : String(status);
          seen[key] = (seen[key] ?? 0) + 1;
        }
      };
      await Promise.all(Array.from({ length: atOnce }, visitor));
      return seen;
    },
    kill: (signal) => server.child.kill(signal),
    async start(...words) {
      server = await serve(...words);
    },
    async [Symbol.asyncDispose]() {
      for (const running of begun) running.kill("SIGKILL");
      server.child.kill("SIGTERM");
      const late = setTimeout(() => server.child.kill("SIGTERM"), 5_000);
      const killed = setTimeout(() => server.child.kill("SIGKILL"), 15_000);
      await server.child.exited;
      clearTimeout(late);
      clearTimeout(killed);
      endLeftovers(temp.path);
      temp[Symbol.dispose]();
    },
  };
}

/** The state of an instance as `ten ps` shows it, once it is the one wanted. */
export function untilState(ten: Ten, id: string, state: string): Promise<true> {
  return until(`${id} is ${state}`, async () => {
    const { instances } = await ten.json<{ instances: { id: string; state: string }[] }>("ps", "--all");
    return instances.find((one) => one.id === id)?.state === state;
  });
}

/** Ends the instances of a server that was killed and never started again: their directories lie in the test's own. */
function endLeftovers(dir: string): void {
  for (const pid of readdirSync("/proc")
    .map(Number)
    .filter((number) => number > 1)) {
    try {
      const cwd = readlinkSync(`/proc/${pid}/cwd`);
      if (cwd === dir || cwd.startsWith(`${dir}/`)) process.kill(pid, "SIGKILL");
    } catch {
      // Gone, or somebody else's.
    }
  }
}

/** Runs one command of the compiled binary in a directory. */
export function runTen(cwd: string, words: readonly string[], env?: Record<string, string>): Promise<Result> {
  return beginTen(cwd, words, env).done;
}

export function beginTen(cwd: string, words: readonly string[], env?: Record<string, string>): Running {
  const child = Bun.spawn([BINARY, ...words], {
    cwd,
    env: environment(cwd, env),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let output = "";
  const read = async (stream: ReadableStream<Uint8Array>) => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const bytes of stream) {
      const piece = decoder.decode(bytes, { stream: true });
      text += piece;
      output += piece;
    }
    return text;
  };
  const done = Promise.all([read(child.stdout), read(child.stderr), child.exited]).then(
    ([stdout, stderr, exit]) => ({ exit, stdout, stderr }),
  );
  return {
    pid: child.pid,
    output: () => output,
    async said(text) {
      let isOver = false;
      void done.then(() => {
        isOver = true;
      });
      await until(`ten ${words.join(" ")} says ${text}`, () => output.includes(text) || isOver);
      if (!output.includes(text)) throw new Error(`ten ${words.join(" ")} says ${text}, not: ${output}`);
    },
    kill: (signal) => child.kill(signal),
    done,
  };
}

function environment(cwd: string, more: Record<string, string> = {}): Record<string, string> {
  const { PATH = "", HOME = "" } = process.env;
  return { PATH, HOME, NO_COLOR: "1", ...dataDirBeside(cwd), ...more };
}

/** Beside the nearest tenement.toml, so that it goes with the test's own directory. */
function dataDirBeside(cwd: string): Record<string, string> {
  for (let directory = cwd; directory !== dirname(directory); directory = dirname(directory)) {
    if (existsSync(join(directory, "tenement.toml")))
      return { TENEMENT_DATA_DIR: join(directory, "tenement-data") };
  }
  return {};
}

/** Whether a process of this pid lives. */
export function isAlive(pid: number | null | undefined): boolean {
  if (!pid) return false;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return !stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
  } catch {
    return false;
  }
}
