// `ten demo` as people run it: whole, from the executable and from the source, disturbed, and interrupted.
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pids, readVariable } from "../../src/platform/process/proc.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";

const ROOT = join(import.meta.dir, "../..");
const EXECUTABLE = [join(ROOT, "dist/ten")];
const SOURCE = [process.execPath, join(ROOT, "src/main.ts")];
const TIMEOUT_MS = 60_000;

/** A demo under way, with a directory for temporary files of its own. */
function startDemo(program: readonly string[], ...flags: readonly string[]) {
  if (!existsSync(join(ROOT, "dist/ten"))) throw new Error("dist/ten is missing: bun run build");
  const temp = createTempDir();
  const { PATH = "", HOME = "" } = process.env;
  // A server that others have set must not be touched, and a proxy not be asked.
  const env = {
    PATH,
    HOME,
    TMPDIR: temp.path,
    TENEMENT_SERVER: "http://127.0.0.1:1",
    HTTP_PROXY: "http://127.0.0.1:1",
  };
  const child = Bun.spawn([...program, "demo", ...flags], {
    cwd: temp.path,
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let stdout = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) stdout += decoder.decode(chunk, { stream: true });
  })();
  const complaints = new Response(child.stderr).text();
  return {
    directory: () =>
      join(temp.path, readdirSync(temp.path).find((name) => name.startsWith("ten-demo-")) ?? "none"),
    left: () => readdirSync(temp.path),
    /** Processes of instances of this demo. */
    instances: () =>
      pids().filter((pid) => readVariable(pid, "TEN_NONCE") && readVariable(pid, "TMPDIR") === temp.path),
    untilSaid: (text: string) => until(`the demo says ${text}`, () => stdout.includes(text), TIMEOUT_MS / 2),
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    async ended() {
      const [exit, stderr] = await Promise.all([child.exited, complaints, reading]);
      return { exit, stdout, stderr };
    },
    run(...words: readonly string[]) {
      const { TENEMENT_SERVER: _, ...quiet } = env;
      return Bun.spawn([...EXECUTABLE, ...words], {
        cwd: this.directory(),
        env: quiet,
        stdout: "ignore",
        stderr: "ignore",
      }).exited;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await child.exited;
      temp[Symbol.dispose]();
    },
  };
}

interface Report {
  ok: boolean;
  failed: number;
  requests: number;
  steps: {
    command: string;
    served: Record<string, number>;
    requests: number;
    exact: boolean;
    longest_ms: number;
  }[];
  kept: { url: string; data_dir: string; pid: number } | null;
}

describe.concurrent("ten demo", () => {
  test(
    "in a pipe tells a whole release in plain lines, and leaves nothing behind",
    async () => {
      await using demo = startDemo(EXECUTABLE);
      const { exit, stdout, stderr } = await demo.ended();
      expect([exit, stderr]).toEqual([0, ""]);
      expect(stdout).not.toContain("\x1b");
      expect(stdout.match(/^ +\$ .*$/gm)?.map((line) => line.trim().replace(/\d+$/, "N"))).toEqual([
        "$ ten serve --port N",
        "$ ten deploy shop --version vN",
        "$ ten deploy shop --version v2 --weight N",
        "$ ten weight shop:v2 N",
        "$ ten weight shop:v2 N",
        "$ ten rollback shop",
        "$ ten route shop --from v1 --to vN",
        "$ kill -9 N",
      ]);
      expect(stdout).toContain("none failed · every split exact");
      expect([demo.left(), demo.instances()]).toEqual([[], []]);
    },
    TIMEOUT_MS,
  );

  test(
    "runs from source; --json counts exactly; --keep leaves a server that works",
    async () => {
      await using demo = startDemo(SOURCE, "--json", "--keep");
      const { exit, stdout, stderr } = await demo.ended();
      expect([exit, stderr]).toEqual([0, ""]);
      const { ok, failed, requests, steps, kept } = JSON.parse(stdout) as Report;
      expect([ok, failed]).toEqual([true, 0]);
      // On a slow machine a window has fewer requests, but whole hundreds.
      const percent = steps.map(({ served, requests }) =>
        Object.fromEntries(
          Object.entries(served).map(([version, count]) => [version, (count * 100) / requests]),
        ),
      );
      expect(percent).toEqual([
        { v1: 100 },
        { v1: 90, v2: 10 },
        { v1: 50, v2: 50 },
        { v1: 0, v2: 100 },
        { v1: 100, v2: 0 },
        { v1: 0, v2: 100 },
        { v1: 0, v2: 100 },
      ]);
      expect(requests).toBeGreaterThan(steps.reduce((sum, step) => sum + step.requests, 0));
      const { url = "", pid = 0 } = kept ?? {};
      const page = await fetch(url, { headers: { host: "shop.localhost" }, proxy: false } as RequestInit);
      expect(await page.text()).toContain("<h1>v2</h1>");
      process.kill(pid, "SIGTERM");
      await until("the kept server has ended", () => demo.instances().length === 0 && !pids().includes(pid));
    },
    TIMEOUT_MS,
  );

  test(
    "exits 1 when a split is not what was asked for",
    async () => {
      await using demo = startDemo(EXECUTABLE);
      await demo.untilSaid("rolled back to v1");
      expect(await demo.run("weight", "shop:v2", "30")).toBe(0);
      const { exit, stdout } = await demo.ended();
      expect(exit).toBe(1);
      expect(stdout).toContain("1 of 7 splits not exact");
      expect(stdout).toContain("none failed");
      expect([demo.left(), demo.instances()]).toEqual([[], []]);
    },
    TIMEOUT_MS,
  );

  test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)(
    "%s in the middle of it removes everything and exits 7",
    async (signal) => {
      await using demo = startDemo(EXECUTABLE);
      await demo.untilSaid("shop:v1 takes traffic");
      expect(demo.instances()).toHaveLength(1);
      demo.kill(signal);
      const { exit, stderr } = await demo.ended();
      expect([exit, stderr]).toEqual([7, "error: interrupted, and everything removed again\n"]);
      expect([demo.left(), demo.instances()]).toEqual([[], []]);
    },
    TIMEOUT_MS,
  );
});

test("the app that it releases is no command to find", async () => {
  for (const words of [["--help"], ["completion", "bash"]]) {
    expect(await new Response(Bun.spawn([...EXECUTABLE, ...words]).stdout).text()).not.toContain("demo-app");
  }
});
