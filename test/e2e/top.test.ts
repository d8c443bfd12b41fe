// `ten top` in a terminal of its own: what it shows, what its keys do, and that it leaves the terminal as it was.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startInTerminal, type Terminal } from "../support/terminal.ts";
import { until } from "../support/until.ts";
import { startFleet } from "./fleet.ts";
import type { Ten } from "./ten.ts";

const BINARY = join(import.meta.dir, "../../dist/ten");
const ENTER = "\x1b[?1049h";
const LEAVE = "\x1b[?1049l";

let ten: Ten;
beforeAll(async () => {
  ten = await startFleet();
  await ten.ok("deploy", "api:v1");
  await ten.ok("deploy", "api:v2", "--weight", "10");
  await ten.ok("deploy", "web:v1");
  await ten.split("api.localhost", 100, 4);
});
afterAll(() => ten[Symbol.asyncDispose]());

const top = (size: { columns?: number; rows?: number } = {}) =>
  startInTerminal([BINARY, "top"], { cwd: ten.dir, ...size });

/** The lines of the last whole drawing, without colours. */
function screen(terminal: Terminal): string[] {
  const text = terminal.output();
  const start = text.lastIndexOf("\x1b[H", text.lastIndexOf("\x1b[J"));
  return Bun.stripANSI(text.slice(start)).split("\r\n");
}
const shows = (terminal: Terminal, what: string | RegExp) =>
  until(`the screen shows ${what}`, () => {
    const text = screen(terminal).join("\n");
    return typeof what === "string" ? text.includes(what) : what.test(text);
  });

describe("ten top", () => {
  test("shows services and versions, fits 80 columns, and says so when it is resized", async () => {
    await using terminal = top({ columns: 80, rows: 24 });
    await shows(terminal, "2 services, 3 instances");
    await shows(terminal, /v1 +90%/);
    await shows(terminal, /v2 +10%/);
    for (const line of screen(terminal)) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(80);
    expect(screen(terminal)).toHaveLength(24);
    expect(screen(terminal).join("\n")).not.toContain("P50");
    terminal.resize(140, 30);
    await shows(terminal, "P50");
    await until("all lines", () => screen(terminal).length === 30);
    terminal.press("q");
    expect(await terminal.exited).toBe(0);
  });

  test("a weight is asked for once, shown as its command, and done by y alone", async () => {
    await using terminal = top();
    await shows(terminal, /v2 +10%/);
    terminal.press("\x1b[B");
    terminal.press("\x1b[B");
    terminal.press("w");
    await shows(terminal, "percent of api's traffic for v2");
    terminal.press("25\r");
    await shows(terminal, "ten weight api:v2 25   do it? y/n");
    terminal.press("n");
    await shows(terminal, "nothing was done");
    expect((await ten.ps())["api:v2"]?.weight).toBe(10);
    terminal.press("w");
    terminal.press("25\r");
    await shows(terminal, "do it? y/n");
    terminal.press("y");
    await shows(terminal, "undo: ten weight api:v1=90 api:v2=10");
    await shows(terminal, /v2 +25%/);
    terminal.press("w");
    terminal.press("900\r");
    await shows(terminal, "weight");
    terminal.press("b");
    await shows(terminal, "ten rollback api   do it?");
    terminal.press("y");
    await shows(terminal, /v1 +100%/);
    terminal.press("q");
    await terminal.exited;
  });

  test("every other key shows its command, or says why it is not to be done", async () => {
    await using terminal = top({ columns: 80, rows: 24 });
    await shows(terminal, "2 services");
    terminal.press("r");
    await shows(terminal, "choose a version of it");
    terminal.press("\x1b[B");
    terminal.press("\x1b[B");
    terminal.press("r");
    await shows(terminal, /ten route api --to v\d {3}do it\? y\/n/);
    terminal.press("n");
    terminal.press("h");
    await shows(terminal, "ten hold api   do it?");
    terminal.press("y");
    await shows(terminal, /api[\s\S]*begin: ten deploy api --version V\s+--canary/);
    terminal.press("p");
    await shows(terminal, "ten promote api   do it?");
    terminal.press("\x1b");
    await shows(terminal, "nothing was done");
    terminal.press("l");
    await shows(terminal, "escape goes back");
    terminal.press("\x1b");
    terminal.press("\x1b[A");
    terminal.press("q");
    expect(await terminal.exited).toBe(0);
  });

  test("a closer look, the log, the help and a filter are a key away, and escape goes back", async () => {
    await using terminal = top({ rows: 40 });
    await shows(terminal, "2 services");
    terminal.press("\x1b[B");
    terminal.press("\r");
    await shows(terminal, "nothing is wrong, as far as can be seen from outside");
    terminal.press("\x1b");
    await shows(terminal, "2 services");
    terminal.press("?");
    await shows(terminal, "hold the rollout of its service");
    terminal.press("\x1b");
    terminal.press("/web\r");
    await shows(terminal, "filter: web");
    await shows(terminal, "1 service, 1 instance");
    terminal.press("q");
    await terminal.exited;
  });

  test("what is narrow has the keys that matter, a long answer goes on in the next line, and a log opens at its end", async () => {
    await using terminal = top({ columns: 44, rows: 12 });
    await shows(terminal, /\? help {2}q quit/);
    for (const line of screen(terminal)) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(44);
    terminal.press("\x1b[B");
    terminal.press("w");
    terminal.press("ninety\r");
    await shows(terminal, /write a\s+number from 0 to 100/);
    expect(screen(terminal)).toHaveLength(12);
    for (let n = 0; n < 30; n++)
      await ten.get("api.localhost", "/", {
        method: "POST",
        body: `${n} 日本語 \tand a line that is longer than the screen`,
      });
    terminal.press("l");
    await shows(terminal, "seen 29 ");
    for (const line of screen(terminal)) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(44);
    terminal.press("g");
    await until("the first lines", () => !screen(terminal).join("\n").includes("seen 29 "));
    terminal.press("G");
    await shows(terminal, "seen 29 ");
    terminal.press("\x1b");
    terminal.resize(20, 5);
    await until("five lines", () => screen(terminal).length === 5);
    terminal.resize(80, 24);
    await until("all lines", () => screen(terminal).length === 24);
    terminal.press("q");
    expect(await terminal.exited).toBe(0);
  });

  test("that the server does not answer is said, and no more once it does", async () => {
    await using terminal = top();
    await shows(terminal, "2 services");
    ten.kill("SIGSTOP");
    try {
      await shows(terminal, "no answer for 4 s: what is shown is of before");
    } finally {
      ten.kill("SIGCONT");
    }
    await until("it is not said any more", () => !screen(terminal).join("\n").includes("no answer"));
    terminal.press("q");
    expect(await terminal.exited).toBe(0);
  });

  test("where the cursor cannot be moved it is the table, once", async () => {
    await using terminal = startInTerminal([BINARY, "top"], { cwd: ten.dir, env: { TERM: "dumb" } });
    expect(await terminal.exited).toBe(0);
    expect(terminal.output()).toContain("SERVICE, VERSION");
    expect(terminal.output()).not.toContain("\x1b");
  });

  test.each([
    ["q", (one: Terminal) => one.press("q"), 0],
    ["Ctrl-C", (one: Terminal) => one.press("\x03"), 0],
    ["SIGTERM", (one: Terminal) => one.kill("SIGTERM"), undefined],
    ["SIGHUP", (one: Terminal) => one.kill("SIGHUP"), undefined],
  ] as const)("the terminal is what it was after %s", async (_, stop, exit) => {
    await using terminal = top();
    await shows(terminal, "2 services");
    stop(terminal);
    const code = await terminal.exited;
    if (exit !== undefined) expect(code).toBe(exit);
    const text = terminal.output();
    expect(text.indexOf(ENTER)).toBeGreaterThanOrEqual(0);
    expect(text.trimEnd()).toEndWith(LEAVE);
    expect(text.lastIndexOf("\x1b[?25h")).toBeGreaterThan(text.lastIndexOf("\x1b[?25l"));
  });

  test.each([
    ["Ctrl-Z", (one: Terminal) => one.press("\x1a")],
    ["SIGTSTP", (one: Terminal) => one.kill("SIGTSTP")],
  ] as const)("%s gives the terminal back until it goes on", async (_, suspend) => {
    await using terminal = top();
    await shows(terminal, "2 services");
    suspend(terminal);
    await until("the terminal is given back", () => terminal.output().trimEnd().endsWith(LEAVE));
    const before = terminal.output().length;
    const stopped = () => /^State:\s+T/m.test(readFileSync(`/proc/${terminal.pid}/status`, "utf8"));
    await until("it stands still", stopped);
    terminal.kill("SIGCONT");
    await until("it is drawn again", () => {
      const text = terminal.output().slice(before);
      return text.includes(ENTER) && Bun.stripANSI(text).includes("2 services");
    });
    terminal.press("q");
    expect(await terminal.exited).toBe(0);
    expect(terminal.output().trimEnd()).toEndWith(LEAVE);
  });

  test("in a pipe it is the table, once, and --json has the numbers", async () => {
    const { stdout } = await ten.ok("top", "api");
    expect(stdout).toContain("SERVICE, VERSION");
    expect(stdout).not.toContain("\x1b");
    const { traffic } = await ten.json<{ traffic: { service: string; versions: unknown[] }[] }>("top", "api");
    expect(traffic.map(({ service }) => service)).toEqual(["api"]);
  });
});
