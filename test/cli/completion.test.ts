// What may follow on a line that is still being written, and the scripts by which shells ask, as far as these are installed.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { complete } from "../../src/cli/complete.ts";
import { SHELLS, type Shell } from "../../src/cli/completion.ts";
import { createTempDir, type TempDir } from "../support/temp-dir.ts";
import { zoo } from "./zoo.ts";

const ENV = { ZOO_SERVER: "ark" };

async function offered(line: string, env: Record<string, string> = ENV): Promise<string> {
  const lines = await complete(zoo, line.split(" ").slice(1), env);
  return lines.replace(/\t.*\n/g, " ").trim();
}

const GLOBAL = "--server --token --data-dir --json --help";

describe("what may follow", () => {
  test.each([
    ["zoo ", "echo show fail flood wait server help completion circus"],
    ["zoo ec", "echo"],
    ["zoo --s", "--server"],
    ["zoo -", `--version ${GLOBAL}`],
    ["zoo server ", "add echo"],
    ["zoo --data-dir echo server e", "echo"],
    ["zoo --json server -", "--server --token --data-dir --help"],
    ["zoo fail ", "fault defect"],
    ["zoo fail defect ", `--exit ${GLOBAL}`],
    ["zoo echo --level ", "stdout stderr"],
    ["zoo echo --level=std", "--level=stdout --level=stderr"],
    ["zoo echo --force --level stdout --l", "--limit"],
    ["zoo echo --out ", ":files"],
    ["zoo echo --out=a", ":files"],
    ["zoo echo --limit ", ""],
    ["zoo nosuch ", ""],
    ["zoo echo -- --l", `--limit --level`],
  ])("%j", async (line, words) => {
    expect(await offered(line)).toBe(words);
  });

  test.each([
    ["zoo show ", "lion:v1 lion:v2 bear:old"],
    ["zoo show lion:", "lion:v1 lion:v2"],
    ["zoo --json show b", "bear:old"],
    ["zoo server add l", "lion:v1 lion:v2"],
    ["zoo echo --stop-old lion:v1,", "lion:v1,lion:v2 lion:v1,bear:old"],
    ["zoo echo --stop-old lion:v1,b", "lion:v1,bear:old"],
    ["zoo show --server nowhere ", ""],
    ["zoo --server=nowhere show ", ""],
  ])("also names that the running server knows: %j", async (line, words) => {
    expect(await offered(line)).toBe(words);
  });

  test("a server that hangs is not waited for", async () => {
    // It hangs for a minute.
    const start = performance.now();
    expect(await offered("zoo show ", { ZOO_SERVER: "hangs" })).toBe("");
    expect(performance.now() - start).toBeLessThan(30_000);
  });

  test("each has its meaning behind a tab", async () => {
    expect(await complete(zoo, ["show", "bear"], ENV)).toBe("bear:old\ta bear:old\n");
    expect(await complete(zoo, ["ec"], ENV)).toBe("echo\tPrint what was understood\n");
  });
});

/** A directory with `zoo` as a program, and with a file. */
let dir: TempDir;
beforeAll(() => {
  dir = createTempDir();
  writeFileSync(
    dir.file("zoo"),
    `#!/bin/sh\nexec '${process.execPath}' '${join(import.meta.dir, "zoo.ts")}' "$@"\n`,
  );
  chmodSync(dir.file("zoo"), 0o755);
});
afterAll(() => dir[Symbol.dispose]());

async function evaluate(shell: Shell, code: string, before = ""): Promise<string> {
  const flags = { bash: [], zsh: ["-f"], fish: ["--no-config"] }[shell];
  const child = Bun.spawn([shell, ...flags, "-c", `${before}\n${SHELLS[shell](zoo.name)}\n${code}`], {
    cwd: dir.path,
    env: { ...ENV, PATH: `${dir.path}:${process.env.PATH}`, HOME: dir.path },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(stderr).toBe("");
  return stdout.trim();
}

const CASES: [line: string, offered: string][] = [
  ["zoo ser", "server"],
  ["zoo show lion:", "lion:v1 lion:v2"],
  ["zoo --json echo --level=stdo", "--level=stdout"],
  ["zoo echo --limit ", ""],
];

describe.skipIf(!Bun.which("bash"))("bash (needs bash)", () => {
  // Bash replaces only what stands behind the last `:` or `=`.
  test.each(CASES)("%j", async (line, words) => {
    const code = `COMP_LINE='${line}'; COMP_POINT=${line.length}; _zoo; echo "\${COMPREPLY[*]}"`;
    expect(await evaluate("bash", code)).toBe(words.replace(/[^ ]*[:=]/g, ""));
  });
});

describe.skipIf(!Bun.which("fish"))("fish (needs fish)", () => {
  test.each(CASES)("%j", async (line, words) => {
    const found = await evaluate("fish", `complete -C '${line}'`);
    expect(found.replace(/\t.*/g, "").replaceAll("\n", " ")).toBe(words);
  });
});

describe.skipIf(!Bun.which("zsh"))("zsh (needs zsh)", () => {
  // What zsh's own functions would be given: outside of its editor they cannot be called.
  test.each(CASES)("%j", async (line, words) => {
    const list = line.split(" ").map((word) => `'${word}'`);
    const typed = line.split(" ").at(-1);
    const code = `words=(${list.join(" ")}); CURRENT=${list.length}; PREFIX='${typed}'; _zoo`;
    const found = await evaluate("zsh", code, "compdef() {}; _describe() { print -rl -- $found }");
    const texts = found.split("\n").map((entry) => entry.replace(/(?<!\\):.*/, "").replaceAll("\\:", ":"));
    expect(texts.join(" ")).toBe(words);
  });
});
