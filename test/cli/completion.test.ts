// Completion scripts in the shells that they are for, as far as these are installed.
import { beforeAll, expect, test } from "bun:test";
import { outline, SHELLS, type Shell } from "../../src/cli/completion.ts";
import { zoo } from "./zoo.ts";

const scripts = new Map<Shell, string>();
beforeAll(async () => {
  const places = await outline(zoo);
  for (const shell of ["bash", "zsh", "fish"] as const) scripts.set(shell, SHELLS[shell](zoo.name, places));
});

async function evaluate(shell: Shell, code: string): Promise<string> {
  const flags = { bash: [], zsh: ["-f", "-n"], fish: ["--no-config"] }[shell];
  const child = Bun.spawn([shell, ...flags, "-c", `${scripts.get(shell)}\n${code}`], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect(stderr).toBe("");
  return stdout.trim();
}

const GLOBAL = "--server --token --data-dir --json --help";
const CASES: [line: string, offered: string][] = [
  ["zoo ec", "echo"],
  ["zoo ", `echo show fail flood wait server help completion ${GLOBAL} --version`],
  ["zoo --server http://x echo --st", "--stop-old"],
  ["zoo server ", `add echo ${GLOBAL}`],
  ["zoo --data-dir echo server e", "echo"],
  ["zoo echo --level ", "stdout stderr"],
  ["zoo fail ", `fault defect --exit ${GLOBAL}`],
  ["zoo echo --server ", ""],
];

test.skipIf(!Bun.which("bash")).each(CASES)("bash offers what may follow: %s", async (line, offered) => {
  const words = line.split(" ").map((word) => `'${word}'`);
  const code = `COMP_WORDS=(${words.join(" ")}); COMP_CWORD=${words.length - 1}; _zoo; echo "\${COMPREPLY[*]}"`;
  expect(await evaluate("bash", code)).toBe(offered);
});

test.skipIf(!Bun.which("fish")).each(CASES.filter(([, offered]) => offered !== "" && !offered.includes(" ")))(
  "fish offers what may follow: %s",
  async (line, offered) => {
    expect((await evaluate("fish", `complete -C '${line}'`)).split("\t")[0]).toBe(offered);
  },
);

test.skipIf(!Bun.which("zsh"))("zsh accepts its script", async () => {
  expect(await evaluate("zsh", "")).toBe("");
});
