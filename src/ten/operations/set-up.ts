// The set-up of a shipped build: a command that runs once in its directory, as the service's user, before the build counts.
import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { accountOf } from "../../platform/process/account.ts";
import type { Exit } from "../../platform/process/exit-status.ts";
import type { Processes } from "../../platform/process/process.ts";
import { createDeadline, sleep } from "../../platform/time/clock.ts";
import type { Service } from "../config/service.ts";
import { secretsOf } from "../supervisor/launch.ts";
import { processSpecOf } from "../supervisor/process-spec.ts";
import type { Context } from "./context.ts";

export interface SetUpParts {
  readonly context: Context;
  readonly processes: Processes;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

const LOOK_EVERY_MS = 200;
const SHOWN_LINES = 20;
const GRACE_MS = 2_000;
/** More than that of one look's output is not shown live; the log has it. */
const SHOWN_BYTES = 65_536;

/** Tells each line of its output as it comes. Rejects with an `unhealthy` fault when it fails, and with the signal's reason. */
export async function setUp(
  parts: SetUpParts,
  service: Service,
  version: string,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { setup } = service;
  if (setup === undefined) return;
  const { context, processes } = parts;
  const { clock, paths, registry } = context;
  const log = paths.setupLog(service.name, version);
  const process = processes.start({
    ...commandOf(parts, service, version),
    nonce: `${registry.id}.${crypto.randomUUID()}`,
    stdoutPath: log,
    stderrPath: log,
  });
  const output = new Output(log, tell);
  const ended = new AbortController();
  const following = follow(output, ended.signal, (ms) => sleep(clock, ms, ended.signal));
  using deadline = createDeadline(clock, setup.timeoutMs, signal);
  try {
    const exit = await Promise.race([process.exited, rejected(deadline.signal)]);
    // What it has left running would hold files of the build.
    await process.stop(0);
    ended.abort();
    await following;
    if (exit.code !== 0) throw failed(service.name, version, describe(exit), output.lines);
  } catch (thrown) {
    await process.stop(GRACE_MS);
    ended.abort();
    await following;
    if (signal.aborted) throw signal.reason;
    if (!deadline.signal.aborted) throw thrown;
    const what = `did not end within ${setup.timeoutMs / 1000} s`;
    throw failed(service.name, version, what, output.lines, "give it longer: setup_timeout");
  }
}

/** As an instance is started, but in the build's directory: programs are looked for there, and a port is not needed. */
function commandOf({ context, environment }: SetUpParts, service: Service, version: string) {
  const { paths } = context;
  const config = context.config();
  const directory = paths.release(service.name, version);
  const account = accountOf(service.limits.user, service.limits.group);
  const launched = { id: version, version, port: 0, nonce: "" };
  const base = { ...environment, ...account?.env };
  const secrets = secretsOf(config, service, launched, base);
  const { words = service.words } = service.setup ?? {};
  const there = { ...config, directory };
  const inPlace = { ...service, words, beforeStart: undefined, workdir: "." };
  return { ...processSpecOf(there, inPlace, launched, base, existsSync, secrets), account };
}

/** The output of a set-up, as far as it was read. */
class Output {
  readonly #path: string;
  readonly #tell: (line: string) => void;
  #offset = 0;
  #rest = "";
  /** The last ones. */
  lines: string[] = [];

  constructor(path: string, tell: (line: string) => void) {
    this.#path = path;
    this.#tell = tell;
  }

  async read(): Promise<void> {
    const file = await open(this.#path, "r").catch(() => undefined);
    if (!file) return;
    try {
      const { size } = await file.stat();
      const from = Math.max(this.#offset, size - SHOWN_BYTES);
      const { bytesRead, buffer } = await file.read(
        Buffer.alloc(Math.max(0, size - from)),
        0,
        undefined,
        from,
      );
      this.#offset = from + bytesRead;
      const lines = (this.#rest + buffer.toString("utf8", 0, bytesRead)).split("\n");
      this.#rest = lines.pop() ?? "";
      this.#take(lines);
    } finally {
      await file.close();
    }
  }

  /** What is after the last line's end. */
  end(): void {
    if (this.#rest !== "") this.#take([this.#rest]);
    this.#rest = "";
  }

  #take(lines: readonly string[]): void {
    for (const line of lines) this.#tell(line);
    this.lines = [...this.lines, ...lines].slice(-SHOWN_LINES);
  }
}

async function follow(
  output: Output,
  ended: AbortSignal,
  pause: (ms: number) => Promise<void>,
): Promise<void> {
  while (!ended.aborted) {
    await output.read();
    await pause(LOOK_EVERY_MS).catch(() => {});
  }
  await output.read();
  output.end();
}

function rejected(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

function describe({ code, signal }: Exit): string {
  return signal === undefined ? `exited with code ${code ?? "unknown"}` : `was killed by ${signal}`;
}

function failed(
  service: string,
  version: string,
  what: string,
  output: readonly string[],
  hint?: string,
): Fault {
  return new Fault(
    "unhealthy",
    `the setup of ${instanceName(service, version)} ${what}; nothing of it is kept`,
    hint,
    {
      details: { output: [...output] },
    },
  );
}
