// The recipes of docs/ci.md, as they stand there: run as scripts, cancelled, twice at once, with a build that fails, with a dead token.
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createTempDir, type TempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { startTen, type Ten } from "./ten.ts";

setDefaultTimeout(180_000);

const PAGE = readFileSync(join(import.meta.dir, "../../docs/ci.md"), "utf8");
const BINARY = join(import.meta.dir, "../../dist/ten");
const LINES_MAX = 15;

/** The block of code below a heading of the page. */
function blockBelow(heading: string): string {
  const [, after = ""] = PAGE.split(`\n### ${heading}\n`);
  return /```(?:yaml|sh)\n([\s\S]*?)```/.exec(after)?.[1] ?? "";
}

interface Workflow {
  readonly jobs: {
    readonly deploy: { readonly env: object; readonly steps: readonly { readonly run?: string }[] };
  };
}
interface Pipeline {
  readonly deploy: { readonly variables: object; readonly script: readonly string[] };
}

/** What each system runs: its own shell, its variables, and where it says which commit it is. */
const RECIPES: Record<string, (commit: string) => { readonly env: object; readonly script: string }> = {
  "GitHub Actions": (commit) => {
    const { deploy } = (Bun.YAML.parse(blockBelow("GitHub Actions")) as Workflow).jobs;
    const steps = deploy.steps.flatMap(({ run }) => run ?? []);
    return { env: { ...deploy.env, GITHUB_SHA: commit }, script: steps.join("\n") };
  },
  "GitLab CI": (commit) => {
    const { variables, script } = (Bun.YAML.parse(blockBelow("GitLab CI")) as Pipeline).deploy;
    return { env: { ...variables, CI_COMMIT_SHA: commit }, script: script.join("\n") };
  },
  "A shell script": (commit) => ({ env: { COMMIT: commit }, script: blockBelow("A shell script") }),
};

const TOML = `
[settings]
health_check_interval = 1
[service.api]
command = "node server.js"
workdir = "{release_dir}"
setup = "sh ./setup.sh"
startup_timeout = 30
drain_timeout = 2
stop_grace_period_secs = 2
[service.api.rollout]
steps = [50]
every = 1
notice = 30
max_slower = 100
bake = 0.2
[service.other]
command = "sleep 1000"
`;
const SERVER = `
const says = require("node:fs").readFileSync("says.txt", "utf8");
require("node:http")
  .createServer((_, response) => response.end(says))
  .listen(process.env.PORT, "127.0.0.1");
`;

interface Ended {
  readonly exit: number;
  readonly output: string;
}

let ten: Ten;
let temp: TempDir;
let token: string;

beforeEach(async () => {
  ten = await startTen({ toml: TOML });
  temp = createTempDir();
  token = await newToken("ci", "api");
  mkdirSync(temp.file("bin"));
  symlinkSync(BINARY, temp.file("bin/ten"));
  const stub = (name: string, text: string) =>
    writeFileSync(temp.file(`bin/${name}`), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  // The installer is tested by itself; here ten is there already.
  stub("curl", "echo :");
  stub("git", 'echo "$COMMIT"');
  stub(
    "npm",
    `[ "$1" = ci ] && exit 0
     [ -e fails ] && { echo "the build fails" >&2; exit 1; }
     mkdir -p dist && cp app/* dist/`,
  );
});
afterEach(async () => {
  await ten[Symbol.asyncDispose]();
  temp[Symbol.dispose]();
});

async function newToken(name: string, service: string, ...more: string[]): Promise<string> {
  const words = ["token", "create", name, "--scope", "deploy", "--service", service, ...more];
  return (await ten.json<{ token: string }>(...words)).token;
}

/** A checkout of a commit. */
function checkOut(commit: string, setup = "true"): string {
  const path = temp.file(`job-${crypto.randomUUID()}`);
  mkdirSync(join(path, "app"), { recursive: true });
  writeFileSync(join(path, "app/server.js"), SERVER);
  writeFileSync(join(path, "app/says.txt"), commit);
  writeFileSync(join(path, "app/setup.sh"), setup);
  return path;
}

function begin(name: string, commit: string, directory: string, secret = token) {
  const { env, script } = RECIPES[name]?.(commit) ?? { env: {}, script: "" };
  writeFileSync(join(directory, "recipe.sh"), script);
  writeFileSync(join(directory, ".ten-token"), `${secret}\n`, { mode: 0o600 });
  const child = Bun.spawn(["/bin/sh", "-eu", "recipe.sh"], {
    cwd: directory,
    env: {
      PATH: `${temp.file("bin")}:${process.env.PATH}`,
      HOME: directory,
      ...env,
      ...(!name.startsWith("A shell") && { TENEMENT_TOKEN: secret }),
      TENEMENT_SERVER: `http://127.0.0.1:${ten.port}`,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    // Of its own group, so that all of the job can be cancelled.
    detached: true,
  });
  let said = "";
  const read = async (stream: ReadableStream<Uint8Array>) => {
    for await (const text of stream.pipeThrough(
      new TextDecoderStream() as TransformStream<Uint8Array, string>,
    ))
      said += text;
  };
  const output = Promise.all([read(child.stdout), read(child.stderr)]);
  const done = (async (): Promise<Ended> => {
    const exit = await child.exited;
    await output;
    return { output: said, exit };
  })();
  return { done, said: () => said, cancel: (signal: NodeJS.Signals) => process.kill(-child.pid, signal) };
}

const run = (name: string, commit: string, directory = checkOut(commit)) =>
  begin(name, commit, directory).done;

/** Visitors, for as long as something is judged. */
async function withVisitors<T>(work: Promise<T>): Promise<T> {
  let isOver = false;
  const visitors = (async () => {
    while (!isOver) await ten.get("api.localhost").catch(() => Bun.sleep(1));
  })();
  return work.finally(async () => {
    isOver = true;
    await visitors;
  });
}

const commits = ["a1", "b2", "c3"].map((start) => start.padEnd(40, "0")) as [string, string, string];
const served = async () => (await ten.get("api.localhost")).body;
const releases = () => join(ten.dataDir, "_releases/api");
const kept = () =>
  existsSync(releases()) ? readdirSync(releases()).filter((name) => !name.startsWith("_")) : [];

describe.each(Object.keys(RECIPES))("%s", (name) => {
  const [first, second, third] = commits;

  test(`has at most ${LINES_MAX} lines`, () => {
    const lines = blockBelow(name).trim().split("\n");
    expect(lines.length).toBeGreaterThan(8);
    expect(lines.length).toBeLessThanOrEqual(LINES_MAX);
  });

  test("ships and releases one commit after the other, and the same again sends and changes nothing", async () => {
    const begun = await run(name, first);
    expect([begun.exit, begun.output]).toEqual([0, expect.stringContaining("takes traffic")]);
    expect(await served()).toBe(first);
    const next = await withVisitors(run(name, second));
    expect([next.exit, next.output]).toEqual([0, expect.stringContaining("promoted: ")]);
    expect(await served()).toBe(second);
    const again = await run(name, second);
    expect([again.exit, again.output]).toEqual([0, expect.stringContaining("nothing was sent")]);
    const { events } = await ten.json<{ events: { by: string }[] }>("events", "--kind", "shipped");
    expect(events.map(({ by }) => by)).toEqual(["ci", "ci"]);
  });

  test.each(["SIGINT", "SIGTERM", "SIGKILL"] as const)(
    "leaves nothing when it is cancelled by %s",
    async (signal) => {
      const job = begin(name, first, checkOut(first, "echo set-up has begun; sleep 1000"));
      await until("its set-up runs", () => existsSync(join(releases(), `_setup-${first}.log`)));
      job.cancel(signal);
      expect((await job.done).exit).not.toBe(0);
      await until("nothing is left", () => existsSync(releases()) && readdirSync(releases()).length === 0);
      expect(Object.keys(await ten.ps())).toEqual([]);
    },
  );

  test("runs beside another of its kind: both come to an end, and the later has the traffic", async () => {
    expect((await run(name, first)).exit).toBe(0);
    // The first is held in its set-up until the other waits for it.
    const setup = `while [ ! -e '${temp.file("go")}' ]; do sleep 0.05; done`;
    const one = begin(name, second, checkOut(second, setup));
    await until("its set-up runs", () => existsSync(join(releases(), `_setup-${second}.log`)));
    const two = begin(name, second, checkOut(second, setup));
    await until("the other waits", () => two.said().includes("waiting for the shipping of"));
    writeFileSync(temp.file("go"), "");
    const ended = await withVisitors(Promise.all([one.done, two.done]));
    const [well, other] = ended[0].exit === 0 ? ended : [ended[1], ended[0]];
    expect([well.exit, well.output]).toEqual([0, expect.stringContaining("promoted: ")]);
    // It came while the other was judged, or after that.
    if (other.exit !== 0) {
      expect([other.exit, other.output]).toEqual([4, expect.stringContaining("is being rolled out already")]);
    }
    expect(await served()).toBe(second);
    expect(kept().filter((version) => version === second)).toHaveLength(1);
    const last = await withVisitors(run(name, third));
    expect([last.exit, last.output]).toEqual([0, expect.stringContaining("promoted: ")]);
    expect(await served()).toBe(third);
  });

  test("stops when its build fails, before anything is sent", async () => {
    const directory = checkOut(first);
    writeFileSync(join(directory, "fails"), "");
    const failed = await run(name, first, directory);
    expect([failed.exit, failed.output]).toEqual([1, expect.stringContaining("the build fails")]);
    expect(kept()).toEqual([]);
  });

  test("says that its token has expired, or is for another service, and sends nothing", async () => {
    const short = await newToken("short", "api", "--expires", "1s");
    const row = async () =>
      (await begin(name, first, checkOut(first, "exit 1"), short).done).output.includes("expired");
    await until("it has expired", row, 60_000);
    const late = await begin(name, first, checkOut(first), short).done;
    expect(late.exit).toBe(8);
    expect(late.output).toMatch(/error: .*expired/);
    const foreign = await begin(name, first, checkOut(first), await newToken("theirs", "other")).done;
    expect(foreign.exit).toBe(8);
    expect(foreign.output).toContain("theirs may use other, and not api");
    expect(kept()).toEqual([]);
  });

  test("ends with 5 when the set-up fails, and the version before serves on", async () => {
    expect((await run(name, first)).exit).toBe(0);
    const failed = await run(name, second, checkOut(second, "echo no such package >&2; exit 7"));
    expect([failed.exit, failed.output]).toEqual([5, expect.stringContaining("no such package")]);
    expect(await served()).toBe(first);
    expect(kept()).toEqual([first]);
  });
});
