// Runs one program: finds the command, checks the line strictly, runs it, and answers the exit code.
import { runCommand } from "citty";
import { FAULTS, Fault, messageOf } from "../core/fault.ts";
import { systemFault } from "../core/system-error.ts";
import type { Environment } from "../platform/environment.ts";
import { flag } from "./argument.ts";
import { type Command, type Context, isGroup, type Program } from "./command.ts";
import { type Found, find, globalArgs, readGlobals } from "./find.ts";
import { createOutput, type Output } from "./output.ts";
import type { Sink } from "./sink.ts";
import { check, readValues } from "./strict.ts";

interface RunOptions {
  readonly program: Program;
  /** The words after the program's name. */
  readonly argv: readonly string[];
  readonly env: Environment;
  readonly stdout: Sink;
  readonly stderr: Sink;
}

/** The first word of shells that ask what may follow; the last word is the one being written. */
export const COMPLETE = "__complete";

/** Never throws and never ends the process; a second signal makes it answer though the command still runs. */
export async function runProgram(options: RunOptions): Promise<number> {
  const { stdout, stderr } = options;
  const code = await runLine(options);
  // What a script reads from the file would be cut short, or empty.
  if (stdout.failure === undefined) return code;
  stderr.write(`error: the output could not be written: ${stdout.failure}\n`);
  return code === 0 ? FAULTS.internal.exit : code;
}

async function runLine({ program, argv, env, stdout, stderr }: RunOptions): Promise<number> {
  if (argv.length === 1 && /^(--version|-V|-v|version)$/.test(argv[0] ?? "")) {
    stdout.write(`${program.name} ${program.version}\n`);
    return 0;
  }
  if (argv[0] === COMPLETE) {
    const { complete } = await import("./complete.ts");
    stdout.write(await complete(program, argv.slice(1), env));
    return 0;
  }
  const flags = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  const out = createOutput({ json: flags.includes("--json"), env, stdout, stderr });
  try {
    const found = await find(program, argv);
    const wantsHelp = flags.includes("--help") || flags.includes("-h");
    if (wantsHelp || (!found.entry && found.rest.length === 0)) {
      const { helpFor } = await import("./help.ts");
      const help = await helpFor(program, found, out.paint);
      out.data({ help }, () => help);
      return 0;
    }
    if (found.entry && !isGroup(found.entry))
      return await runFound(program, found.entry, found, { env, out, argv });
    return runNothing(program, found, out);
  } catch (error) {
    return failed(error, env, out, stderr);
  }
}

/** No command was named, or only a group of them. */
function runNothing(program: Program, { entry, what, rest }: Found, out: Output): number {
  if (!entry && rest.includes("--version")) {
    out.data({ name: program.name, version: program.version }, () => `${program.name} ${program.version}`);
    return 0;
  }
  const globals = { ...globalArgs(program), version: flag("Show the version") };
  check(rest, { what, args: {}, globals, elsewhere: program.elsewhere?.flags });
  const names = entry && isGroup(entry) ? `${Object.keys(entry.commands).join(", ")}; ` : "";
  throw new Fault("usage", `${what} needs a command`, `${names}see ${what} --help`);
}

async function runFound(
  program: Program,
  command: Command,
  { what, rest }: Found,
  { env, out, argv }: Pick<Context, "env" | "out" | "argv">,
) {
  const checked = check(rest, {
    what,
    args: command.args,
    globals: globalArgs(program),
    example: command.examples[0]?.[0].replaceAll("{program}", program.name),
    elsewhere: program.elsewhere?.flags,
    ...(command.reword && { reword: command.reword }),
  });
  const args = readValues(command.args, checked);
  using interrupt = createInterrupt(command.ownSignals ?? false, out.stdout);
  const context = {
    args,
    globals: readGlobals(program, checked.options, env),
    out,
    env,
    argv,
    signal: interrupt.signal,
    program,
  };
  const running = runCommand(command.citty, { rawArgs: [], data: context });
  const result = await Promise.race([running, interrupt.insisted]);
  return typeof result.result === "number" ? result.result : 0;
}

interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
  /** Rejects at the second signal. */
  readonly insisted: Promise<never>;
}

/** SIGINT, SIGTERM and a closed stdout as one AbortSignal. */
function createInterrupt(ownSignals: boolean, stdout: Sink): Interrupt {
  const abort = new AbortController();
  const insisted = Promise.withResolvers<never>();
  const onSignal = () => {
    const fault = new Fault("stopped_waiting", "interrupted");
    if (abort.signal.aborted) insisted.reject(fault);
    else abort.abort(fault);
  };
  const onClosed = () => abort.abort(new Fault("stopped_waiting", "nobody reads the output any more"));
  const signals = ownSignals ? [] : (["SIGINT", "SIGTERM"] as const);
  for (const name of signals) process.on(name, onSignal);
  stdout.closed.addEventListener("abort", onClosed, { once: true });
  return {
    signal: abort.signal,
    insisted: insisted.promise,
    [Symbol.dispose]() {
      for (const name of signals) process.off(name, onSignal);
      stdout.closed.removeEventListener("abort", onClosed);
    },
  };
}

function failed(error: unknown, env: Environment, out: Output, stderr: Sink): number {
  if (out.stdout.closed.aborted) return 0;
  if (error instanceof Fault) {
    out.fault(error);
    return error.exitCode;
  }
  const fault =
    systemFault(error) ?? new Fault("internal", messageOf(error), "this is a defect; DEBUG=1 shows where");
  out.fault(fault);
  if (env.DEBUG !== undefined && error instanceof Error) stderr.write(`${error.stack}\n`);
  return fault.exitCode;
}
