// A directory of the demo's own with a real `ten serve` in it, and commands run there as a user would type them.
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault, messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import type { Environment } from "../../platform/environment.ts";
import { executableWords } from "../../platform/executable.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import { CONFIG_NAME } from "../config/config.ts";

export const SERVICE = "shop";

export interface Sandbox extends AsyncDisposable {
  readonly directory: string;
  readonly dataDir: string;
  readonly url: URL;
  readonly pid: number;
  /** Runs a command to its end and answers what it printed with --json; a Fault when it fails. */
  run(words: readonly string[]): Promise<Record<string, unknown>>;
  /** From now on disposing leaves server and directory as they are. */
  keep(): void;
}

interface SandboxOptions {
  readonly env: Environment;
  readonly clock: Clock;
  /** Stops waiting, for the server or for a command. */
  readonly signal: AbortSignal;
  /** Makes the server end everything at once while the sandbox is being disposed. */
  readonly hurry: AbortSignal;
}

const START_TIMEOUT_MS = 15_000;
const COMMAND_TIMEOUT_MS = 30_000;
/** From the first SIGTERM to the second, and from that to SIGKILL. */
const END_PATIENCE_MS = 10_000;

/** Opens everything or nothing. Disposing ends the server with all that it runs, and removes the directory. */
export async function openSandbox({ env, clock, signal, hurry }: SandboxOptions): Promise<Sandbox> {
  await using opened = new AsyncDisposableStack();
  const directory = makeDirectory();
  opened.defer(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  writeFileSync(join(directory, CONFIG_NAME), configText(executableWords()));
  /** Its errors are part of what it prints; what it says besides goes to `stderr`. */
  const start = (words: readonly string[], stderr: "ignore" | number) =>
    Bun.spawn([...executableWords(), ...words, "--json"], {
      cwd: directory,
      env: environment(env),
      stdin: "ignore",
      stdout: "pipe",
      stderr,
      // A Ctrl-C in the terminal is for the demo alone: it ends its children itself, in order.
      detached: true,
    });

  const log = openSync(join(directory, "serve.log"), "a");
  const server = start(["serve", "--port", "0"], log);
  closeSync(log);
  opened.defer(() => end(server, clock, hurry));
  const url = await whenServing(server.stdout, clock, signal);
  const owned = opened.move();
  let kept = false;

  return {
    directory,
    dataDir: join(directory, "tenement-data"),
    url,
    pid: server.pid,
    async run(words) {
      const child = start(words, "ignore");
      const stop = () => child.kill("SIGTERM");
      signal.addEventListener("abort", stop, { once: true });
      const cancel = clock.after(COMMAND_TIMEOUT_MS, stop);
      const text = await new Response(child.stdout).text();
      const exit = await child.exited;
      cancel();
      signal.removeEventListener("abort", stop);
      signal.throwIfAborted();
      if (exit === 0) return JSON.parse(text);
      const fault = faultIn(text);
      throw new Fault(
        "internal",
        `ten ${words.join(" ")} exited ${exit}: ${fault?.message ?? text}`,
        fault?.hint,
      );
    },
    keep() {
      kept = true;
      server.unref();
    },
    async [Symbol.asyncDispose]() {
      if (!kept) await owned.disposeAsync();
    },
  };
}

function makeDirectory(): string {
  try {
    return mkdtempSync(join(tmpdir(), "ten-demo-"));
  } catch (error) {
    const hint = "name another directory for temporary files with TMPDIR";
    throw new Fault("conflict", `cannot write into ${quote(tmpdir())}: ${messageOf(error)}`, hint);
  }
}

/** The app is this executable. Timeouts are short, as nothing here takes long. */
function configText([program, ...args]: readonly string[]): string {
  return `# Written by ten demo.

[settings]
data_dir = "./tenement-data"
health_check_interval = 1

[service.${SERVICE}]
command = ${JSON.stringify(program)}
args = ${JSON.stringify([...args, "demo-app"])}
health = "/health"
startup_timeout = 15
drain_timeout = 5
stop_grace_period_secs = 2
`;
}

/** The user's, without what would send commands to another server. */
function environment(env: Environment): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("TENEMENT_")));
}

/** The URL from the line that the server prints once it accepts connections. */
async function whenServing(
  stdout: ReadableStream<Uint8Array>,
  clock: Clock,
  signal: AbortSignal,
): Promise<URL> {
  const late = new AbortController();
  const waiting = AbortSignal.any([signal, late.signal]);
  const cancel = clock.after(START_TIMEOUT_MS, () =>
    late.abort(new Fault("internal", "ten serve did not start in time")),
  );
  const reader = stdout.getReader();
  const decoder = new TextDecoder();
  const stop = () => void reader.cancel().catch(() => {});
  waiting.addEventListener("abort", stop, { once: true });
  let text = "";
  try {
    while (!text.includes("\n")) {
      const { done, value } = await reader.read();
      waiting.throwIfAborted();
      if (done) throw new Fault("internal", "ten serve ended at once");
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    cancel();
    waiting.removeEventListener("abort", stop);
    reader.releaseLock();
  }
  const fault = faultIn(text);
  if (fault) throw new Fault("internal", `ten serve did not start: ${fault.message}`, fault.hint);
  return new URL(JSON.parse(text).url);
}

function faultIn(text: string): Fault | undefined {
  try {
    return Fault.fromJson(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** SIGTERM, a second one when it is taking long or somebody is in a hurry, and SIGKILL when even that does not help. */
async function end(server: Bun.Subprocess, clock: Clock, hurry: AbortSignal): Promise<void> {
  for (const sign of ["SIGTERM", "SIGTERM", "SIGKILL"] as const) {
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill(sign);
    const patience = hurry.aborted ? sleep(clock, END_PATIENCE_MS) : sleep(clock, END_PATIENCE_MS, hurry);
    await Promise.race([server.exited, patience.catch(() => {})]);
  }
  await server.exited;
}
