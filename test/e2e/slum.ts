// A real `slum serve` from the compiled binary in a directory of its own, and commands as a user types them.
import { join } from "node:path";
import { createTempDir } from "../support/temp-dir.ts";
import type { Answer, Result } from "./ten.ts";

const BINARY = join(import.meta.dir, "../../dist/slum");

export interface SlumAnswer extends Answer {
  /** The server that answered. */
  readonly server: string | null;
  readonly headers: Headers;
}

export interface Slum extends AsyncDisposable {
  readonly dataDir: string;
  readonly port: number;
  readonly pid: number;
  log(): Promise<string>;
  run(...words: string[]): Promise<Result>;
  ok(...words: string[]): Promise<Result>;
  json<T = Record<string, unknown>>(...words: string[]): Promise<T>;
  get(host: string, path?: string, init?: RequestInit): Promise<SlumAnswer>;
  /** The status of a server as `slum ps` shows it. */
  status(id: string): Promise<string | undefined>;
  readonly exited: Promise<number>;
  kill(signal: NodeJS.Signals): void;
  /** Starts the server again after it has ended, on any free port unless given, with more words. */
  start(port?: number, ...words: string[]): Promise<void>;
}

export interface SlumOptions {
  /** More words for `serve`. */
  readonly words?: readonly string[];
  /** Where it listens at first; any free port unless given. */
  readonly port?: number;
  /** More of the environment, for the server and the commands. */
  readonly env?: Record<string, string>;
  /** Seconds between checks; half of one unless given. */
  readonly interval?: number;
  /** What `serve` is started by, `nsenter` and its words. */
  readonly within?: readonly string[];
}

/** With short intervals unless the words for `serve` say otherwise. */
export function startSlum(...words: string[]): Promise<Slum> {
  return startSlumWith({ words });
}

/** How a `slum serve` ends that cannot start. */
export async function failToServe(env: Record<string, string>, ...words: string[]): Promise<Result> {
  using temp = createTempDir();
  const usual = { PATH: process.env.PATH ?? "", NO_COLOR: "1", SLUM_DATA_DIR: temp.file("data") };
  return await resultOf(temp.path, { ...usual, ...env }, ["serve", "--port", "0", ...words]);
}

async function resultOf(cwd: string, env: Record<string, string>, words: readonly string[]): Promise<Result> {
  const child = Bun.spawn([BINARY, ...words], { cwd, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, exit] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { exit, stdout, stderr };
}

export async function startSlumWith(options: SlumOptions): Promise<Slum> {
  const { words = [], env = {}, within = [], interval = 0.5 } = options;
  const temp = createTempDir();
  const dataDir = temp.file("data");
  const logFile = temp.file("serve.log");
  const environment = { PATH: process.env.PATH ?? "", NO_COLOR: "1", SLUM_DATA_DIR: dataDir, ...env };
  let server = await serve(options.port ?? 0);

  async function serve(port: number, ...more: string[]) {
    const usual = ["--port", String(port), "--json", "--interval", String(interval)];
    const child = Bun.spawn([...within, BINARY, "serve", ...usual, ...words, ...more], {
      cwd: temp.path,
      env: environment,
      stdin: "ignore",
      stdout: "pipe",
      stderr: Bun.file(logFile),
    });
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    reader.releaseLock();
    if (!value) throw new Error(`slum serve ended: ${await Bun.file(logFile).text()}`);
    const { url } = JSON.parse(new TextDecoder().decode(value)) as { url: string };
    return { child, port: Number(new URL(url).port) };
  }

  const run = (...words: string[]) => resultOf(temp.path, environment, words);

  return {
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
    log: () => Bun.file(logFile).text(),
    run,
    async ok(...words) {
      const result = await run(...words);
      if (result.exit !== 0)
        throw new Error(`slum ${words.join(" ")} exited ${result.exit}: ${result.stderr}${result.stdout}`);
      return result;
    },
    json: async (...words) => JSON.parse((await run(...words, "--json")).stdout),
    async get(host, path = "/", init = {}) {
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
        server: response.headers.get("x-slum-server"),
        headers: response.headers,
      };
    },
    async status(id) {
      const { stdout } = await run("ps", "--json");
      const { servers } = JSON.parse(stdout) as { servers: { id: string; status: string }[] };
      return servers.find((one) => one.id === id)?.status;
    },
    kill: (signal) => server.child.kill(signal),
    async start(port = 0, ...more) {
      server = await serve(port, ...more);
    },
    async [Symbol.asyncDispose]() {
      server.child.kill("SIGKILL");
      await server.child.exited;
      temp[Symbol.dispose]();
    },
  };
}
