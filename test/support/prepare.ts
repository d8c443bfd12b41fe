// Before the first test: the locked dependencies, and a binary built from these very sources, so that a fresh clone needs no step before `bun test`.

import { setDefaultTimeout } from "bun:test";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";

const ROOT = join(import.meta.dir, "../..");
const BINARY = join(ROOT, "dist/ten");

/** Enough for a busy machine; a test that waits for ever is still told by its name. bunfig.toml has no key for it. */
setDefaultTimeout(60_000);

// The workers of `--parallel` load this for every file; what starts them (`npm test`) has prepared everything.
if (process.env.BUN_TEST_WORKER_ID === undefined) prepare();

function prepare(): void {
  const wasInstalled = existsSync(join(ROOT, "node_modules"));
  run("setup.mjs");
  if (isStale()) run("build.ts");
  // A process that began without packages finds none later: all tests run once more, in one that begins with them.
  if (!wasInstalled) process.exit(spawn("test"));
}

function isStale(): boolean {
  if (!existsSync(BINARY)) return true;
  const built = statSync(BINARY).mtimeMs;
  const sources = ["build.ts", "package-lock.json", ...new Glob("src/**/*").scanSync({ cwd: ROOT })];
  return sources.some((file) => statSync(join(ROOT, file)).mtimeMs > built);
}

function run(script: string): void {
  const exitCode = spawn(join(ROOT, script));
  if (exitCode !== 0) process.exit(exitCode);
}

function spawn(...words: string[]): number {
  const stdio: ["ignore", "inherit", "inherit"] = ["ignore", "inherit", "inherit"];
  return Bun.spawnSync([process.execPath, ...words], { cwd: ROOT, stdio }).exitCode;
}
