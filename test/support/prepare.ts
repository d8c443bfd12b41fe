// Before the first test: the locked dependencies, and a binary built from these very sources, so that a fresh clone needs no step before `bun test`.
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { Glob } from "bun";

const ROOT = join(import.meta.dir, "../..");
const BINARY = join(ROOT, "dist/ten");

/** Most tests wait for processes: one worker more than there are processors keeps these busy. More than that only makes the tests that measure time wait for each other. */
const MOST_WORKERS = 4;
/** A busy machine needs more than the 5 s for which bunfig.toml has no key; what waits for ever is still told by its name. */
const TEST_TIMEOUT_MS = 180_000;

// Workers find everything prepared.
if (process.env.BUN_TEST_WORKER_ID === undefined) {
  run("setup.mjs");
  if (isStale()) run("build.ts");
  await runInWorkers();
}

function isStale(): boolean {
  if (!existsSync(BINARY)) return true;
  const built = statSync(BINARY).mtimeMs;
  const sources = ["build.ts", "package-lock.json", ...new Glob("src/**/*").scanSync({ cwd: ROOT })];
  return sources.some((file) => statSync(join(ROOT, file)).mtimeMs > built);
}

function run(script: string): void {
  const { exitCode } = Bun.spawnSync([process.execPath, join(ROOT, script)], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (exitCode !== 0) process.exit(exitCode);
}

/**
 * The same command line in workers: a process that began without packages finds none later, files do not depend on each
 * other, and only there does every file get the timeout. What its processes leave among temporary files, also those that
 * tests kill, lies in one directory and goes with the run.
 */
async function runInWorkers(): Promise<never> {
  const [program = process.execPath, ...words] = commandLine();
  const workers = Math.min(MOST_WORKERS, availableParallelism() + 1);
  const at = words.indexOf("test") + 1;
  const flags = [`--parallel=${workers}`, `--timeout=${TEST_TIMEOUT_MS}`];
  const temporary = mkdtempSync(join(tmpdir(), "ten-"));
  // Apps of other users have their directories in it.
  chmodSync(temporary, 0o711);
  const run = Bun.spawn([process.execPath, ...words.slice(0, at), ...flags, ...words.slice(at)], {
    argv0: program,
    env: { ...process.env, TMPDIR: temporary },
    stdio: ["inherit", "inherit", "inherit"],
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => run.kill(signal));
  const code = await run.exited;
  rmSync(temporary, { recursive: true, force: true });
  process.exit(code);
}

/** As it was typed: `process.argv` has no flags here. */
function commandLine(): string[] {
  if (process.platform === "linux")
    return readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(0, -1);
  const { stdout } = Bun.spawnSync(["ps", "-ww", "-o", "args=", "-p", String(process.pid)]);
  return stdout.toString().trim().split(" ");
}
