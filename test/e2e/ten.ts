// A real `ten serve` from the compiled binary in a directory of its own, and commands as a user types them.

import { setDefaultTimeout } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { APPS } from "../support/apps.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";

// Real processes on a busy machine take their time.
setDefaultTimeout(30_000);

const BINARY = join(import.meta.dir, "../../dist/ten");

export type Runtime = keyof typeof APPS;

export interface Result {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
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
  get(host: string, path?: string, init?: RequestInit): Promise<Answer>;
  /** Sends so many requests, `at once` in flight, and counts the instances that answered; failures count as their status. */
  split(host: string, count: number, atOnce?: number): Promise<Record<string, number>>;
  kill(signal: NodeJS.Signals): void;
  /** The exit code of the server process. */
  readonly exited: Promise<number>;
  /** Starts the server again after it has ended. */
  start(): Promise<void>;
}

export interface TenOptions {
  readonly runtime?: Runtime;
  /** More lines for `[service.api]`. */
  readonly service?: string;
  readonly toml?: string;
  readonly serve?: readonly string[];
}

/** The usual configuration: one service `api`, the test app. */
export function tomlFor(runtime: Runtime, more = ""): string {
  const [program, ...args] = APPS[runtime];
  return `
[settings]
health_check_interval = 1

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
  mkdirSync(join(temp.path, "tmp"));
  let server = await serve();

  async function serve() {
    const logFile = join(temp.path, "serve.log");
    const child = Bun.spawn([BINARY, "serve", "--port", "0", "--json", ...(options.serve ?? [])], {
      cwd: temp.path,
      env: environment(),
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

  async function run(...words: string[]): Promise<Result> {
    const child = Bun.spawn([BINARY, ...words], {
      cwd: temp.path,
      env: environment(),
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
    async start() {
      server = await serve();
    },
    async [Symbol.asyncDispose]() {
      server.child.kill("SIGTERM");
      const late = setTimeout(() => server.child.kill("SIGTERM"), 5_000);
      const killed = setTimeout(() => server.child.kill("SIGKILL"), 15_000);
      await server.child.exited;
      clearTimeout(late);
      clearTimeout(killed);
      temp[Symbol.dispose]();
    },
  };
}

/** The state of an instance as `ten ps` shows it, once it is the one wanted. */
export function untilState(ten: Ten, id: string, state: string): Promise<true> {
  return until(
    `${id} is ${state}`,
    async () => {
      const { instances } = await ten.json<{ instances: { id: string; state: string }[] }>("ps", "--all");
      return instances.find((one) => one.id === id)?.state === state;
    },
    20_000,
  );
}

function environment(): Record<string, string> {
  const { PATH = "", HOME = "" } = process.env;
  return { PATH, HOME, NO_COLOR: "1" };
}
