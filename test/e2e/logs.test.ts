// Logs seen from outside: streams and instances in the order of time, followed over restarts, and kept within their size.
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startInTerminal } from "../support/terminal.ts";
import { until } from "../support/until.ts";
import { startTen, type Ten, tomlFor, untilState } from "./ten.ts";

const TEN = join(import.meta.dir, "../../dist/ten");

interface Line {
  readonly instance: string;
  readonly stream: string;
  readonly at: string | null;
  readonly text: string;
  readonly base64?: string;
}

/** A service that runs a shell script and needs no health but its life; `port` is listened on by nobody. */
const script = (name: string, text: string) => `
[service.${name}]
command = "sh"
args = ["-c", ${JSON.stringify(text.replaceAll("{", "{{").replaceAll("}", "}}"))}]
stop_grace_period_secs = 1
startup_timeout = 600
restart = "never"
`;

const logs = async (ten: Ten, ...words: string[]) =>
  // On a busy machine a search may be given up.
  (await ten.json<{ lines?: Line[] }>("logs", ...words)).lines ?? [];

const untilLogged = (ten: Ten, text: string, ...words: string[]) =>
  until(`${text} is logged`, async () => (await logs(ten, ...words, "--search", text)).length > 0, 60_000);

describe("ten logs", () => {
  test("ten follows that end leave no word in the server's log", async () => {
    await using ten = await startTen({ service: "" });
    await ten.ok("spawn", "api:v1");
    await untilState(ten, "api:v1", "healthy");
    for (let n = 0; n < 10; n += 1) {
      const follow = ten.begin("logs", "api:v1", "-f", "--json");
      await follow.said("text");
      follow.kill(n % 2 === 0 ? "SIGINT" : "SIGKILL");
      await follow.done;
    }
    await ten.ok("stop", "api:v1", "--force");
    const log = await ten.log();
    expect(log.split("\n").filter((line) => /internal error|defect|Controller/.test(line))).toEqual([]);
  });

  test("merges the streams of several instances in the order in which lines arrived", async () => {
    // Each line is in a look of its own.
    const talk =
      'i=0; while [ $i -lt 5 ]; do echo "o$i"; sleep 0.3; echo "e$i" >&2; sleep 0.3; i=$((i+1)); done; echo end; exec sleep 600';
    await using ten = await startTen({ toml: tomlFor("bun", script("talk", talk)) });
    await ten.ok("spawn", "talk:a");
    await untilLogged(ten, "o1");
    await ten.ok("spawn", "talk:b");
    await until("both have ended", async () => (await logs(ten, "--search", "end")).length === 2);
    const all = await logs(ten, "talk");
    expect(all.length).toBe(22);
    const times = all.map(({ at }) => Date.parse(at ?? ""));
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const order = (id: string) => all.filter(({ instance }) => instance === id).map(({ text }) => text);
    const inOrder = [0, 1, 2, 3, 4].flatMap((i) => [`o${i}`, `e${i}`]).concat("end");
    expect([order("talk:a"), order("talk:b")]).toEqual([inOrder, inOrder]);
    expect(all.slice(0, 2).map(({ text }) => text)).toEqual(["o0", "e0"]);

    const errors = await logs(ten, "talk:a", "--level", "stderr");
    expect(errors.map(({ text }) => text)).toEqual(["e0", "e1", "e2", "e3", "e4"]);
    const since = await logs(ten, "talk", "--since", all[15]?.at ?? "");
    expect(since).toEqual(all.slice(15));
    expect(await logs(ten, "talk", "--since", "1d", "--limit", "3")).toEqual(all.slice(-3));
    expect(await logs(ten, "talk", "--since", "0s")).toEqual([]);
    expect((await ten.ok("logs", "talk:b", "--limit", "1", "--timestamps")).stdout).toMatch(
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z end\n$/,
    );
    const wrong = await ten.run("logs", "--since", "yesterday");
    expect([wrong.exit, wrong.stderr]).toEqual([2, expect.stringContaining("write 90s, 10m")]);
  });

  test("follows over a restart of the instance and into instances that come later", async () => {
    await using ten = await startTen({
      toml: tomlFor("bun", script("talk", 'echo "begin $TEN_INSTANCE"; exec sleep 600')),
    });
    await ten.ok("spawn", "talk:a");
    await untilLogged(ten, "begin talk:a");
    const follower = ten.begin("logs", "talk", "-f");
    await follower.said("begin talk:a");
    await ten.ok("spawn", "talk:b");
    await follower.said("begin talk:b");
    await ten.ok("stop", "talk:a", "--force");
    await ten.ok("spawn", "talk:a");
    await until(
      "the second beginning is followed",
      () => follower.output().split("begin talk:a").length === 3,
    );
    expect(follower.output()).toBe(["a", "b", "a"].map((id) => `talk:${id} | begin talk:${id}\n`).join(""));
    follower.kill("SIGINT");
    await follower.done;
  });

  test("keeps what was written while no server ran, and any bytes", async () => {
    const talk = "printf 'bad \\377 bytes\\n'; i=0; while :; do echo tick $i; i=$((i+1)); sleep 0.1; done";
    await using ten = await startTen({ toml: tomlFor("bun", script("talk", talk)) });
    await ten.ok("spawn", "talk:a");
    await untilLogged(ten, "tick 2");
    const [bad] = await logs(ten, "--search", "bytes");
    expect(bad?.base64).toBe(
      Buffer.concat([Buffer.from("bad "), Buffer.of(255), Buffer.from(" bytes")]).toString("base64"),
    );
    ten.kill("SIGKILL");
    await ten.exited;
    const path = join(ten.dataDir, "talk", "_logs", "a", "stdout.log");
    await until("it goes on without a server", () => readFileSync(path, "latin1").includes("tick 12"));
    await ten.start();
    await untilLogged(ten, "tick 15");
    const ticks = await logs(ten, "talk:a", "--search", "tick");
    expect(ticks.map(({ text }) => text)).toEqual(ticks.map((_, i) => `tick ${i}`));
    const times = ticks.map(({ at }) => Date.parse(at ?? ""));
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  test("a fast writer keeps its newest lines, and no more of the disk than its limit", async () => {
    const lines = 1_300_000;
    const flood = `seq -f 'line %010.0f xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' 0 ${lines - 1}; echo done >&2; exec sleep 600`;
    await using ten = await startTen({ toml: tomlFor("bun", script("flood", flood)) });
    await ten.ok("spawn", "flood:a");
    await until("all is written", async () => (await logs(ten, "--level", "stderr")).length > 0);
    const path = join(ten.dataDir, "flood", "_logs", "a", "stdout.log");
    const used = await until("it is trimmed", () => {
      const { blocks, size } = statSync(path);
      // 50 MiB may stay.
      return size > 80e6 && blocks * 512 < 53e6 && blocks * 512;
    });
    expect(used).toBeGreaterThan(38e6);
    const found = await logs(ten, "flood:a", "--limit", "10000", "--level", "stdout");
    const first = lines - 10_000;
    expect(found.map(({ text }) => Number(text.slice(5, 15)))).toEqual(found.map((_, i) => first + i));
  });

  test.skipIf(process.platform !== "linux")(
    "a log that is removed, or moved, while its instance runs is read on, bounded and told of",
    async () => {
      const count = 'i=0; while :; do echo "line $i"; i=$((i+1)); sleep 0.05; done';
      const flood = `echo begun; while [ ! -e "$GO" ]; do sleep 0.1; done; yes ${"x".repeat(99)} | head -c 90000000; echo over; exec sleep 600`;
      const toml = `${script("count", count)}${script("flood", flood)}[service.flood.env]\nGO = "{instance_dir}/go"\n`;
      await using ten = await startTen({ toml: tomlFor("bun", toml) });
      for (const name of ["count:a", "flood:a"]) await ten.ok("spawn", name);
      await untilLogged(ten, "line 3");
      await untilLogged(ten, "begun");
      const logOf = (service: string) => `${ten.dataDir}/${service}/_logs/a/stdout.log`;
      const follow = ten.begin("logs", "count:a", "-f", "--json");
      await follow.said("line 3");
      renameSync(logOf("count"), `${logOf("count")}.old`);
      rmSync(logOf("flood"));
      const events = async () =>
        (await ten.json<{ events: { kind: string; instance: string; detail: string }[] }>("events")).events
          .filter(({ kind }) => kind === "log.moved")
          .map(({ instance }) => instance);
      await until("both are told of", async () => (await events()).length === 2);
      // What is behind the move: the count goes on for who follows and for who asks.
      const last = Number((await logs(ten, "count:a", "--limit", "1"))[0]?.text.split(" ")[1]);
      await follow.said(`line ${last + 5}`);
      await untilLogged(ten, `line ${last + 6}`, "count:a");
      follow.kill("SIGINT");
      await follow.done;
      // A file without a name is trimmed as one with: 90 MB were written, and at most 50 and what comes between two looks are held.
      const { pid } = (await ten.ps())["flood:a"] ?? {};
      writeFileSync(`${ten.dataDir}/flood/a/go`, "");
      await until(
        "over is logged",
        async () => (await logs(ten, "flood:a", "--limit", "1"))[0]?.text === "over",
      );
      await until("it is trimmed", () => statSync(`/proc/${pid}/fd/1`).blocks * 512 < 60 * 1024 * 1024);
      // Once each, and the next start writes where it should.
      expect((await events()).sort()).toEqual(["count:a", "flood:a"]);
      await ten.ok("stop", "count:a", "--force");
      await ten.ok("spawn", "count:a");
      await until("there is a file again", () => existsSync(logOf("count")));
      await untilLogged(ten, "line 0", "count:a");
    },
    120_000,
  );

  test("tells instances apart by colour and column on a terminal, where nothing that they write acts", async () => {
    const talk = "printf '\\033]0;owned\\007\\rtalk:b | forged\\n\\033[31mred\\n'; exec sleep 600";
    await using ten = await startTen({ toml: tomlFor("bun", script("talk", talk)) });
    await ten.ok("spawn", "talk:a");
    await ten.ok("spawn", "talk:longer");
    await until("both wrote", async () => (await logs(ten, "--search", "red")).length === 2);
    await using terminal = startInTerminal([TEN, "logs", "talk"], { cwd: ten.dir, columns: 200 });
    expect(await terminal.exited).toBe(0);
    const text = terminal.output().replaceAll("\r\n", "\n");
    expect(text).toContain("\x1b[36mtalk:a     \x1b[39m | ␛]0;owned␇␍talk:b | forged");
    expect(text).toContain("\x1b[35mtalk:longer\x1b[39m | ");
    expect(text).toContain("\x1b[31mred\x1b[0m");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(text.replace(/\x1b\[[\d;]*m/g, "")).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f]/);
    const { stdout } = await ten.ok("logs", "talk:a");
    expect(stdout).toBe("\x1b]0;owned\x07\rtalk:b | forged\n\x1b[31mred\n");
  });
});
