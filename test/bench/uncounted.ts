// The same program but for what is counted of requests for people to see: what it costs is measured beside it.
import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
const COPIED = ["src", "build.ts", "package.json", "tsconfig.json", "bunfig.toml", "LICENSE", "licenses"];
/** What an answer is counted as, and the reading of all counters every two seconds. */
const LEFT_OUT = [
  ["src/proxy/traffic-counters.ts", "answered(status: number, headMs: number): void {"],
  ["src/proxy/traffic-history.ts", "refresh(): void {"],
] as const;

/** Builds it in `dir`; its path. */
export async function buildUncounted(dir: string): Promise<string> {
  for (const name of COPIED) cpSync(join(ROOT, name), join(dir, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
  for (const [file, begin] of LEFT_OUT) {
    const path = join(dir, file);
    const text = readFileSync(path, "utf8");
    if (text.split(begin).length !== 2)
      throw new Error(`${file} has no ${JSON.stringify(begin)}, or several`);
    writeFileSync(path, text.replace(begin, `${begin} return;`));
  }
  const built = Bun.spawn([process.execPath, "build.ts"], { cwd: dir, stdout: "ignore", stderr: "inherit" });
  if ((await built.exited) !== 0) throw new Error("the build without counts has failed");
  return join(dir, "dist/ten");
}
