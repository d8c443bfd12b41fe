// Where the running server of a tenement.toml has its data, noted in the runtime directory: commands of any user look there first.
import { mkdirSync, readdirSync, readFileSync, rmSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import type { Environment } from "../../platform/environment.ts";
import { writeAtomic } from "../../platform/storage/atomic-file.ts";

const SYSTEM_RUNTIME = "/run";
/** The names of notes (keyOf), and of their unfinished copies. */
const NOTE = /^\d+-\d+\.json/;

/** Notes it until disposed. Where there is no runtime directory nothing is noted, and commands look at the usual places. */
export function recordServer(config: string, dataDir: string, env: Environment): Disposable {
  const directory = runtimeDirectory(env);
  const stats = statOf(config);
  if (directory === undefined || stats === undefined) return { [Symbol.dispose]() {} };
  const path = join(directory, keyOf(stats));
  const text = `${JSON.stringify({ config, data_dir: dataDir })}\n`;
  try {
    mkdirSync(directory, { mode: 0o755, recursive: true });
    sweep(directory);
    writeAtomic(path, text, 0o644);
  } catch {
    // For commands only: they look at the usual places then.
  }
  return {
    [Symbol.dispose]() {
      if (read(path) === text) rmSync(path, { force: true });
    },
  };
}

/** The data directory of the server that was last started with this file and has not ended since; undefined: not known. */
export function recordedDataDir(config: string, env: Environment): string | undefined {
  const stats = statOf(config);
  if (stats === undefined) return undefined;
  const theirs = process.getuid?.() === 0 ? [join(SYSTEM_RUNTIME, "user", String(stats.uid), "ten")] : [];
  const directories = [runtimeDirectory(env), join(SYSTEM_RUNTIME, "ten"), ...theirs];
  for (const directory of directories) {
    const found = directory && dataDirIn(read(join(directory, keyOf(stats))), stats);
    if (found) return found;
  }
  return undefined;
}

/** Takes away what servers that were killed have left, where the file is gone since. What else lies there is not ours. */
function sweep(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (!NOTE.test(name)) continue;
    const path = join(directory, name);
    const stats = statOf(parse(read(path)).config ?? "");
    if (stats === undefined || keyOf(stats) !== name) rmSync(path, { force: true });
  }
}

function runtimeDirectory(env: Environment): string | undefined {
  const runtime = process.getuid?.() === 0 ? SYSTEM_RUNTIME : env.XDG_RUNTIME_DIR;
  return runtime !== undefined && statOf(runtime) ? join(runtime, "ten") : undefined;
}

/** By the file itself, whatever path leads to it. */
function keyOf({ dev, ino }: Stats): string {
  return `${dev}-${ino}.json`;
}

/** A number may be another file's by now, so the path that was noted must still lead to this one. */
function dataDirIn(text: string | undefined, stats: Stats): string | undefined {
  const { config = "", data_dir: dataDir } = parse(text);
  const now = statOf(config);
  return now && keyOf(now) === keyOf(stats) ? dataDir : undefined;
}

function parse(text: string | undefined): Partial<Record<"config" | "data_dir", string>> {
  try {
    const { config, data_dir } = JSON.parse(text ?? "");
    return typeof config === "string" && typeof data_dir === "string" ? { config, data_dir } : {};
  } catch {
    return {};
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
