// Starts one child in a session of its own, and says in words why that did not work.
import {
  accessSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  openSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { Fault, messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { limitFiles, USUAL_OPEN_FILES } from "./open-files.ts";
import { withSpareDescriptors } from "./spare-descriptors.ts";

export interface SpawnOptions {
  /** The program, found in `env.PATH` (or, with a slash in it, from `cwd`), and its arguments. */
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Files that output is appended to. Both may be the same. */
  readonly stdoutPath: string;
  readonly stderrPath: string;
  /** Existing cgroup directories, one a hierarchy: the child starts in the first and is put into the others at once (Linux). */
  readonly cgroups?: readonly string[];
  /** Who it runs as, without supplementary groups, and who owns its output; ourselves unless given. */
  readonly account?: { readonly uid: number; readonly gid: number } | undefined;
  /** Its soft limit; the usual one, as far as that can be had, unless given. */
  readonly openFiles?: number | undefined;
}

const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
const APPEND = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK;
const FOR_GROUP = 0o660;

/**
 * The child, leader of a new session and group, without stdin. It writes to files that it holds itself, so it and its
 * output outlive us. Throws a Fault (`unhealthy`) when it cannot be started.
 */
export function spawn(options: SpawnOptions): Bun.Subprocess {
  const { argv, env, cwd, account, cgroups: [cgroup, ...others] = [], openFiles } = options;
  if (!isDirectory(cwd))
    throw cannotStart(argv, `its directory ${quote(cwd)} does not exist`, "check workdir");
  const opened: number[] = [];
  const append = (path: string) => {
    const descriptor = openOutput(path);
    opened.push(descriptor);
    // It stays ours: its owner could take a lease on it, and whoever opens it then waits. By its group the program may
    // open it again, as /dev/stderr.
    if (account) {
      fchownSync(descriptor, process.getuid?.() ?? 0, account.gid);
      fchmodSync(descriptor, FOR_GROUP);
    }
    return descriptor;
  };
  try {
    const stdout = append(options.stdoutPath);
    const stderr = append(options.stderrPath);
    const more = {
      ...(cgroup !== undefined && { cgroup }),
      ...(account && { uid: account.uid, gid: account.gid }),
    };
    const start = () =>
      Bun.spawn([...argv], { env, cwd, stdin: "ignore", stdout, stderr, detached: true, ...more });
    const soft = openFiles ?? USUAL_OPEN_FILES;
    const free = Math.max(stdout, stderr);
    const child = withSpareDescriptors(() => limitFiles(soft, openFiles !== undefined, free, start));
    enter(child, others);
    return child;
  } catch (error) {
    throw error instanceof Fault ? error : explain(error, options);
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/** In version 1 each controller has groups of its own, and a child can start in only one. */
function enter(child: Bun.Subprocess, cgroups: readonly string[]): void {
  try {
    for (const cgroup of cgroups) writeFileSync(join(cgroup, "cgroup.procs"), String(child.pid));
  } catch (error) {
    process.kill(-child.pid, "SIGKILL");
    throw error;
  }
}

function openOutput(path: string): number {
  try {
    // Without waiting: for the end of a lease, or, where somebody has put a pipe there, for its reader.
    return withSpareDescriptors(() => openSync(path, APPEND, 0o640));
  } catch (error) {
    const hint = "check that the data directory exists, is writable and has space";
    throw new Fault("internal", `cannot open the log ${quote(path)}: ${messageOf(error)}`, hint, {
      cause: error,
    });
  }
}

/** Bun throws the bare errno: ENOENT for a missing command, cgroup or interpreter alike. */
function explain(error: unknown, { argv, env, cwd, cgroups = [], account }: SpawnOptions): Fault {
  const command = argv[0] ?? "";
  const path = command.includes("/") ? resolve(cwd, command) : Bun.which(command, { PATH: env.PATH ?? "" });
  const because = (what: string, hint?: string) => cannotStart(argv, what, hint, error);
  if (command === "") return because("the command is empty");
  const missing = cgroups.find((cgroup) => !isDirectory(cgroup));
  if (missing !== undefined) return because(`there is no cgroup ${quote(missing)}`);
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
      if (!path) return because("command not found", `it is looked for in PATH=${env.PATH ?? ""}`);
      if (!exists(path))
        return because(`command not found: no file ${quote(path)}`, "check the path in command");
      return because("the interpreter in its first line (#!) is missing", `check the first line of ${path}`);
    case "EACCES":
      if (path && isDirectory(path)) return because("it is a directory");
      if (path && !isExecutable(path)) return because("not executable", `chmod +x ${path}`);
      if (!account) return because("permission denied");
      return because(
        `permission denied to user ${account.uid}`,
        "it must be able to reach the command and workdir: check all directories above them",
      );
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
