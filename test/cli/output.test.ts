// What goes to stdout and what to stderr, with colours and without.
import { expect, test } from "bun:test";
import { createOutput } from "../../src/cli/output.ts";
import { formatTable } from "../../src/cli/table.ts";
import { watch } from "../../src/cli/watch.ts";
import { Fault } from "../../src/core/fault.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemorySink } from "./memory-sink.ts";

function create({ json = false, isTty = false, env = {} as Record<string, string> } = {}) {
  const stdout = createMemorySink({ isTty });
  const stderr = createMemorySink({ isTty });
  const clock = createManualClock();
  return { stdout, stderr, clock, out: createOutput({ json, env, stdout, stderr, clock }) };
}

const plain = (_: unknown, text: string) => text;

test("data goes to stdout in one write and talk to stderr", () => {
  const { out, stdout, stderr } = create();
  out.data({ a: 1 }, () => "one\ntwo");
  out.info("info");
  out.success("success");
  out.warn("careful");
  out.warn("careful");
  out.hint("try this");
  expect(stdout.writes).toEqual(["one\ntwo\n"]);
  expect(stderr.text()).toBe("info\n✔ success\nwarning: careful\nwarning: careful\nhint: try this\n");
});

test("with --json stdout has only JSON and stderr only warnings", () => {
  const { out, stdout, stderr } = create({ json: true });
  out.data({ a: 1 }, () => "never");
  out.info("info");
  out.hint("hint");
  out.warn("careful");
  out.progress("working").done("worked");
  expect(stdout.writes).toEqual(['{"schema":1,"a":1}\n']);
  expect(stderr.text()).toBe("warning: careful\n");
});

test("colours are for terminals, and NO_COLOR or a dumb one switches them off", () => {
  const red = "\x1b[31mx\x1b[39m";
  expect(create({ isTty: true }).out.paint("red", "x")).toBe(red);
  expect(create({ isTty: false }).out.paint("red", "x")).toBe("x");
  expect(create({ isTty: true, env: { NO_COLOR: "1" } }).out.paint("red", "x")).toBe("x");
  expect(create({ isTty: true, env: { TERM: "dumb" } }).out.paint("red", "x")).toBe("x");
});

test("progress in a pipe is plain lines without repetition", () => {
  const { out, stderr } = create();
  using progress = out.progress("starting");
  progress.update("checking");
  progress.update("checking");
  progress.done("ready");
  progress.done("ready");
  expect(stderr.text()).toBe("checking\nready\n");
});

test("a quick task shows no spinner on a terminal", () => {
  const { out, stderr } = create({ isTty: true });
  using progress = out.progress("starting");
  progress.update("checking");
  progress.done("ready");
  expect(stderr.text()).toBe("ready\n");
});

test("a slow task spins, makes room for talk, and leaves nothing behind", async () => {
  const { out, stderr, clock } = create({ isTty: true, env: { NO_COLOR: "1" } });
  const progress = out.progress("starting");
  await clock.advance(1_100);
  progress.update("checking");
  out.warn("careful");
  await clock.advance(100);
  progress.done();
  await clock.advance(10_000);
  expect(stderr.text().replaceAll("\r\x1b[2K", "|")).toBe(
    "|⠋ 1 s  starting|⠙ 1 s  starting|warning: careful\n|⠹ 1 s  checking|",
  );
});

test("a slow task in a pipe says once what it is about", async () => {
  const { out, stderr, clock } = create();
  using _ = out.progress("starting");
  await clock.advance(10_000);
  expect(stderr.text()).toBe("starting\n");
});

test("a table aligns what people see, not what is stored", () => {
  const columns = [{ heading: "NAME" }, { heading: "N", align: "right" }, { heading: "STATE" }] as const;
  const rows = [
    ["a", "1", "\x1b[32mok\x1b[39m"],
    ["日本", "100", "failed"],
    ["b\x1b[2J\n", "", ""],
  ];
  expect(formatTable(columns, rows, plain).split("\n")).toEqual([
    "NAME       N   STATE",
    "a          1   \x1b[32mok\x1b[39m",
    "日本     100   failed",
    "b␛[2J␊",
    "",
  ]);
  expect(formatTable(columns, [], plain)).toBe("NAME   N   STATE\n");
});

test("a table fits its terminal: long names are shortened, then columns go by rank, then names give way", () => {
  const columns = [
    { heading: "INSTANCE", isName: true },
    { heading: "STATE" },
    { heading: "CPU", align: "right" as const, rank: 2 },
    { heading: "REQ/S", align: "right" as const, rank: 1 },
  ];
  const rows = [
    ["api:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "healthy", "1%", "12"],
    ["api:v1", "healthy", "2%", "3"],
  ];
  const at = (width?: number) => formatTable(columns, rows, plain, width).trimEnd().split("\n");
  expect(at()[1]).toBe("api:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b   healthy    1%      12");
  expect(at(60)).toEqual([
    "INSTANCE                 STATE     CPU   REQ/S",
    "api:9f86d08…15a3bf4f1b   healthy    1%      12",
    "api:v1                   healthy    2%       3",
  ]);
  expect(at(40)[1]).toMatch(/^api:9\S+…\S+ +healthy +12$/);
  expect(at(34)[1]).toMatch(/^api:9\S+…\S+ +healthy$/);
  for (const width of [200, 66, 60, 52, 46, 40, 34, 30, 24, 19])
    expect([width, at(width).some((line) => Bun.stringWidth(line) > width)]).toEqual([width, false]);
});

test("what apps and receivers say is text on a terminal, and every byte of it in a pipe", () => {
  const hostile = "\x1b]0;owned\x07\rapi:v1 | forged\x9b2J\u202e";
  const shown = "␛]0;owned␇␍api:v1 | forged\\u009b2J\\u202e";
  const terminal = create({ isTty: true, env: { NO_COLOR: "1" } });
  terminal.out.data({}, () => hostile);
  terminal.out.fault(new Fault("unhealthy", hostile, hostile, { details: { output: [hostile] } }));
  terminal.out.progress("waiting").done(hostile);
  expect(terminal.stdout.text()).toBe(`${shown}\n`);
  expect(terminal.stderr.text()).toBe(`error: ${shown}\n  output:\n    ${shown}\nhint: ${shown}\n${shown}\n`);
  const pipe = create();
  pipe.out.data({}, () => hostile);
  expect(pipe.stdout.text()).toBe(`${hostile}\n`);
});

test("a watch draws over itself on a terminal and ends normally with its signal", async () => {
  const stop = new AbortController();
  const { out, stdout, clock } = create({ isTty: true });
  let frames = 0;
  const watching = watch({ out, clock, periodMs: 1_000, signal: stop.signal }, async () => {
    frames += 1;
    return { value: { frames }, text: () => `frame ${frames}\n` };
  });
  await clock.advance(0);
  await clock.advance(1_000);
  stop.abort();
  await watching;
  expect(stdout.writes).toEqual(["\x1b[2J\x1b[Hframe 1\x1b[K\n\x1b[J", "\x1b[Hframe 2\x1b[K\n\x1b[J"]);
});
