// Starts one child in a session of its own, and says in words why that did not work.
import { accessSync, closeSync, constants, openSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { Fault, messageOf } from "../core/fault.ts";
import { quote } from "../core/name.ts";

export interface SpawnOptions {
  /** The program, found in `env.PATH` (or, with a slash in it, from `cwd`), and its arguments. */
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Files that output is appended to. Both may be the same. */
  readonly stdoutPath: string;
  readonly stderrPath: string;
  /** Path of an existing cgroup directory that the child starts in (Linux). */
  readonly cgroup?: string;
}

/**
 * The child, leader of a new session and group, without stdin. It writes to files that it holds itself, so it and its
 * output outlive us. Throws a Fault (`unhealthy`) when it cannot be started.
 */
export function spawn(options: SpawnOptions): Bun.Subprocess {
  const { argv, env, cwd, cgroup } = options;
  if (!isDirectory(cwd))
    throw cannotStart(argv, `its directory ${quote(cwd)} does not exist`, "check workdir");
  const opened: number[] = [];
  const append = (path: string) => {
    const descriptor = openOutput(path);
    opened.push(descriptor);
    return descriptor;
  };
  try {
    const stdout = append(options.stdoutPath);
    const stderr = append(options.stderrPath);
    const limits = cgroup === undefined ? {} : { cgroup };
    return Bun.spawn([...argv], { env, cwd, stdin: "ignore", stdout, stderr, detached: true, ...limits });
  } catch (error) {
    throw error instanceof Fault ? error : explain(error, options);
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

function openOutput(path: string): number {
  try {
    return openSync(path, "a", 0o640);
  } catch (error) {
    const hint = "check that the data directory exists, is writable and has space";
    throw new Fault("internal", `cannot open the log ${quote(path)}: ${messageOf(error)}`, hint, {
      cause: error,
    });
  }
}

/** Bun throws the bare errno: ENOENT for a missing command, cgroup or interpreter alike. */
function explain(error: unknown, { argv, env, cwd, cgroup }: SpawnOptions): Fault {
  const command = argv[0] ?? "";
  const path = command.includes("/") ? resolve(cwd, command) : Bun.which(command, { PATH: env.PATH ?? "" });
  const because = (what: string, hint?: string) => cannotStart(argv, what, hint, error);
  if (command === "") return because("the command is empty");
  if (cgroup !== undefined && !isDirectory(cgroup)) return because(`there is no cgroup ${quote(cgroup)}`);
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
      if (!path) return because("command not found", `it is looked for in PATH=${env.PATH ?? ""}`);
      if (!exists(path))
        return because(`command not found: no file ${quote(path)}`, "check the path in command");
      return because("the interpreter in its first line (#!) is missing", `check the first line of ${path}`);
    case "EACCES":
      if (path && isDirectory(path)) return because("it is a directory");
      if (path && !isExecutable(path)) return because("not executable", `chmod +x ${path}`);
      return because("permission denied");
    case "ENOEXEC":
      return because(
        "a script without #! or a program for another machine",
        'begin the script with "#!/bin/sh"',
      );
    case "E2BIG":
      return because("its arguments and environment are too long");
    case "EAGAIN":
    case "ENOMEM":
    case "EMFILE":
    case "ENFILE":
      return because(
        `the system has no room for another process (${messageOf(error)})`,
        "check ulimit -u and memory",
      );
    default:
      return because(messageOf(error));
  }
}

function cannotStart(argv: readonly string[], what: string, hint?: string, cause?: unknown): Fault {
  return new Fault("unhealthy", `cannot start ${quote(argv[0] ?? "")}: ${what}`, hint, { cause });
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
