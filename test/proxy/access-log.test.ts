// What a line of the access log says, whatever a visitor sends, and what becomes of lines that the disk does not take.
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { readRequestHead } from "../../src/core/http1/request-head.ts";
import { RequestRules } from "../../src/core/http1/request-rules.ts";
import type { Route, Target } from "../../src/core/route.ts";
import { createLineWriter } from "../../src/platform/logs/line-writer.ts";
import { systemClock } from "../../src/platform/time/clock.ts";
import { AccessLog } from "../../src/proxy/access-log.ts";
import { createInProcessPlane } from "../../src/proxy/front/in-process.ts";
import { createUpstream } from "../../src/proxy/upstream/upstream.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { startPlane } from "../support/plane.ts";
import { integersFrom } from "../support/random.ts";
import * as routes from "../support/routes.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { wireClient, wireOrigin } from "../support/wire.ts";

const rules = new RequestRules({ passed: "x-passed", overwritten: [], claims: "none" });
const route = { name: "api", policy: { accessLog: 1 } } as Route;
const TARGETS = [
  { id: "api:v1", version: "v1" },
  { id: "api:v2", version: undefined },
].map((target) => target as Target);
/** What stands between quotes, in a path and in an agent: plain, long, quotes, controls that heads may have, UTF-8, half a sign. */
const TEXTS = ["a", "x".repeat(3_000), '"', "\\", "\t", "é€😀", "\xff", 'a","status":200', "%00"];

/** Each of them as bytes, one char a byte. */
const bytesOf = (text: string) => (/^[\0-\xff]*$/.test(text) ? text : Buffer.from(text).toString("latin1"));

test("of visitors whose words are long nothing is kept: they have addresses without end", () => {
  const write = () => {};
  const options = { path: undefined, format: "json", query: false } as const;
  const log = new AccessLog({ options, clock: createManualClock(), write });
  const text = `${"M".repeat(60_000)} / HTTP/1.1\r\nHost: h\r\n\r\n`;
  const head = readRequestHead(Buffer.from(text), text.length, rules);
  const { method } = head;
  Bun.gc(true);
  const before = process.memoryUsage().external;
  for (let at = 0; at < 500; at++) {
    const asked = { head, method, visitor: `2001:db8::${at.toString(16)}`, route, added: "", attempts: 0 };
    log.record(route, "h")?.end(asked, 0, "client_left");
  }
  log.makeLines();
  Bun.gc(true);
  // All of them would be 30 MB.
  expect(process.memoryUsage().external - before).toBeLessThan(5_000_000);
});

test.each(["json", "combined"] as const)(
  "a line (%s) holds nothing that acts on a terminal or turns its text around, and no word without end",
  (format) => {
    let written = "";
    const write = (bytes: Buffer, length: number) => {
      written = bytes.toString("utf8", 0, length);
    };
    const options = { path: undefined, format, query: false } as const;
    const log = new AccessLog({ options, clock: createManualClock(), write });
    // C1 controls, which terminals heed as those behind ESC, and what turns the direction of text.
    const sly = "\u009b31m\u202e\u200b\u{e0041}é";
    const text = `${"M".repeat(60_000)} /${sly} HTTP/1.1\r\nHost: h\r\nUser-Agent: ${sly}\r\n\r\n`;
    const raw = Buffer.from(text);
    const head = readRequestHead(raw, raw.length, rules);
    const record = log.record(route, "h");
    record?.end({ head, method: head.method, visitor: "192.0.2.1", route, added: "", attempts: 0 }, 0, "x");
    log.makeLines();
    expect(written).not.toMatch(/[\x7f-\x9f\u202e\u200b\u{e0041}]/u);
    expect(written).toContain("\\u009b31m\\u202e\\u200b\\udb40\\udc41");
    expect(written.length).toBeLessThan(1_000);
    if (format === "json")
      expect(JSON.parse(written)).toMatchObject({ path: `/${sly}`, agent: sly, method: "M".repeat(40) });
  },
);

test("a line is a JSON text that says what was asked and answered", async () => {
  const clock = createManualClock();
  const written: string[] = [];
  const write = (bytes: Buffer, length: number) => {
    written.push(bytes.toString("utf8", 0, length));
  };
  const wanted: object[] = [];
  const log = new AccessLog({ options: { path: undefined, format: "json", query: false }, clock, write });
  const next = integersFrom(7);
  const oneOf = <T>(all: readonly T[]) => all[next() % all.length] as T;
  const shown = (text: string, most: number) => Buffer.from(text.slice(0, most), "latin1").toString("utf8");
  for (let turn = 0; turn < 3_000; turn++) {
    const path = `/${bytesOf(oneOf(TEXTS)).replaceAll("\t", "")}`;
    const agent = next() % 4 === 0 ? undefined : `${bytesOf(oneOf(TEXTS))}.`.trim();
    const name = oneOf(["User-Agent", "user-agent", "USer-Agent"]);
    const before = next() % 2 === 0 ? "" : "X-User-Agent: no\r\nReagent: no\r\n";
    const field = agent === undefined ? "" : `${name}:${oneOf(["", " ", " \t"])}${agent} \r\n`;
    const text = `GET ${path}${oneOf(["", "?token=geheim"])} HTTP/1.1\r\nHost: h\r\n${before}${field}\r\n`;
    const raw = Buffer.from(`${text}${oneOf(["", "user-agent: no\r\n"])}`, "latin1");
    const head = readRequestHead(raw, text.length, rules);
    const target = oneOf(TARGETS);
    const id = oneOf(["6a422c6b", 'a","b', "é"].map(bytesOf));
    const visitor = oneOf(["192.0.2.1", "2001:db8::1"]);
    const host = oneOf(["api.example.com", "other"]);
    const took = (next() % 100_000) / 1_000;
    const record = log.record(route, host);
    record?.begin(clock.monotonic());
    record?.answered(200, target, took, true);
    record?.bodyFrom(10);
    const added = `${oneOf(["", "Host: h\r\n"])}X-Real-IP: x\r\nX-Request-Id: ${id}\r\nVia: 1.1 x\r\n\r\n`;
    const sent = oneOf([10, 12, 5_000_000_010]);
    await (turn % 100 === 0 ? clock.advance(next() % 1_500) : undefined);
    record?.end({ head, method: head.method, visitor, route, added, attempts: 1 }, sent);
    wanted.push({
      time: new Date(clock.now()).toISOString(),
      id: shown(id, 100),
      client: visitor,
      host,
      method: "GET",
      path: shown(path, 2_000),
      status: 200,
      bytes: sent - 10,
      ms_head: Math.round(took * 100) / 100,
      service: "api",
      instance: target.id,
      version: target.version ?? null,
      attempts: 1,
      reason: null,
      agent: agent === undefined ? "" : shown(agent, 200),
    });
    // At once, some together, and as many as are made without being asked for.
    if (next() % oneOf([1, 4, 400]) === 0) log.makeLines();
  }
  log.makeLines();
  const all = written.join("");
  expect(written.every((line) => line.endsWith("}\n"))).toBe(true);
  expect(all).not.toContain("geheim");
  const lines = all.trimEnd().split("\n");
  expect(lines).toHaveLength(wanted.length);
  for (const [at, line] of lines.entries()) expect(JSON.parse(line)).toMatchObject(wanted[at] ?? {});
});

test.each([100, 16_384, 20_000])(
  "a request has its line, whatever becomes of the %d bytes that came with it",
  async (count) => {
    using directory = createTempDir();
    const path = directory.file("access.log");
    using origin = wireOrigin(({ socket }) => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: odd\r\n\r\nhello");
    });
    await using started = await startPlane(
      (options) => createInProcessPlane(options, createUpstream({ clock: systemClock })),
      {
        accessLog: { path, format: "json", query: false },
      },
    );
    const target = routes.target("api:v1", { address: origin.address });
    await started.plane.publish([
      routes.route("api", [target], { hosts: ["api.example.com"], policy: { accessLog: 1 } }),
    ]);
    const asks =
      "GET /odd HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: me\r\nConnection: Upgrade\r\nUpgrade: odd\r\n\r\n";
    using client = await wireClient(started.plane.url, asks + "x".repeat(count));
    await client.until((text) => text.endsWith("hello"));
    await until("it has come", () => origin.seen[0]?.body().length === count);
    client[Symbol.dispose]();
    const line = await until("it is written", () => existsSync(path) && readFileSync(path, "utf8"));
    expect(JSON.parse(line)).toMatchObject({ path: "/odd", agent: "me", status: 101, bytes: 5 });
  },
);

describe("what is written to a file", () => {
  test("is what was given, in its order, beyond what one write takes", async () => {
    using directory = createTempDir();
    const path = directory.file("access.log");
    let dropped = 0;
    const onDropped = (lines: number) => {
      dropped += lines;
    };
    const wanted: string[] = [];
    {
      using writer = createLineWriter({ path, clock: systemClock, onDropped });
      for (let i = 0; i < 20_000; i++) {
        const line = `${i} ${"x".repeat(i % 97)}\n`;
        const bytes = Buffer.from(line);
        expect(writer.add(bytes, bytes.length)).toBe(true);
        wanted.push(line);
        if (i % 5_000 === 0) await until("it is written", () => existsSync(path));
      }
      await until("what was under way is over", () => readFileSync(path, "utf8").length > 65_536);
    }
    await until("all is there", () => readFileSync(path, "utf8").length === wanted.join("").length);
    expect(readFileSync(path, "utf8").split("\n").sort()).toEqual(wanted.join("").split("\n").sort());
    expect(dropped).toBe(0);
  });

  test("is dropped and counted, line by line, when the disk is full or more waits than may", async () => {
    using directory = createTempDir();
    const path = directory.file("access.log");
    symlinkSync("/dev/full", path);
    let dropped = 0;
    let given = 0;
    const clock = createManualClock();
    const onDropped = (lines: number) => {
      dropped += lines;
    };
    const line = Buffer.from(`${"x".repeat(999)}\n`);
    {
      using writer = createLineWriter({ path, clock, onDropped });
      const add = () => {
        given += 1;
        return writer.add(line, line.length);
      };
      // All in one turn: nothing is written meanwhile, so that room ends.
      for (let i = 0; i < 6_000; i++) if (!add()) break;
      expect(dropped).toBe(1);
      await until("the first ones are given up", () => dropped > 1);
      await until("there is room again", async () => {
        await clock.advance(1_000);
        return add();
      });
    }
    await until("each is counted once", () => dropped === given);
  });
});
