// Bundles code for browsers; a macro, so that it runs while the executable is built and what is embedded is its text.
import { join } from "node:path";

/** `entry` is relative to the project. What the bundler says goes to stderr, and ends the build. */
export function bundle(entry: string): string {
  const root = join(import.meta.dir, "../..");
  // In a process of its own: a bundler cannot wait for a macro that waits for the bundler.
  const words = ["build", entry, "--target=browser", "--format=iife", "--minify"];
  const { exitCode, stdout } = Bun.spawnSync([process.execPath, ...words], { cwd: root, stderr: "inherit" });
  if (exitCode !== 0) throw new Error(`${entry} cannot be bundled`);
  return stdout.toString();
}
