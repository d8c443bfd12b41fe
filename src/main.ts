// The one entrypoint: picks the program, runs it, and is the only place that ends the process.
import { basename } from "node:path";
import { COMPLETE, runProgram } from "./cli/run.ts";
import { createSink } from "./cli/sink.ts";
import { messageOf } from "./core/fault.ts";
import { systemFault } from "./core/system-error.ts";
import { readEnvironment } from "./platform/environment.ts";
import { SEARCH_WORD, WORKER_WORD } from "./platform/executable.ts";
import { resetSignals } from "./platform/process/signals.ts";
import { slum } from "./slum/program.ts";
import { ten } from "./ten/program.ts";

resetSignals();
const env = readEnvironment();
const stdout = createSink(1);
const stderr = createSink(2);

const PROGRAMS = new Map([
  ["ten", ten],
  ["slum", slum],
]);

/** Called `slum` it is slum; else its first word may be the program (`ten slum ps`, and in development either). */
function choose(argv: readonly string[]) {
  if (basename(process.argv0) === "slum") return { program: slum, argv };
  // A shell that asks what may follow puts that first, and the last word is still being written.
  const asks = argv[0] === COMPLETE ? [COMPLETE] : [];
  const [first = "", ...rest] = argv.slice(asks.length);
  const named = rest.length >= asks.length ? PROGRAMS.get(first) : undefined;
  return { program: named ?? ten, argv: named ? [...asks, ...rest] : argv };
}

/** A server's workers are the same executable, with a first word that no person types. */
async function run(argv: readonly string[]): Promise<number> {
  const [word, socket] = argv;
  if (word === SEARCH_WORD) return (await import("./platform/logs/log-search.ts")).runSearch(stdout.write);
  if (word !== WORKER_WORD || socket === undefined)
    return runProgram({ ...choose(argv), env, stdout, stderr });
  const { runTenWorker } = await import("./ten/routing/worker-entry.ts");
  return runTenWorker(socket);
}

/** A defect that no command caught: one line, and the stack for who asks. */
function collapse(error: unknown): never {
  const refused = systemFault(error);
  stderr.write(`error: ${refused?.message ?? `internal error: ${messageOf(error)}`}\n`);
  if (env.DEBUG !== undefined && error instanceof Error) stderr.write(`${error.stack}\n`);
  process.exit(1);
}

process.on("uncaughtException", collapse);
process.on("unhandledRejection", collapse);
// Timers of Clock let a process end; one that still runs a command must not.
setInterval(() => {}, 2 ** 30);
process.exit(await run(process.argv.slice(2)));
