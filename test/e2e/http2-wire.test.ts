// HTTP/2 as frames at the compiled binary: what RFC 9113 wants of a server, and the floods that servers have died of.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { block, FLAG, frame, type Talk, TYPE, talk, u32 } from "../support/http2-frames.ts";
import { askByTls } from "../support/https-client.ts";
import { until } from "../support/until.ts";
import {
  CODE,
  GET,
  HOST,
  type Http2Server,
  headers,
  onStream,
  POST,
  startHttp2Server,
  statusOrReset,
} from "./http2-server.ts";
import type { Ten } from "./ten.ts";

setDefaultTimeout(180_000);

let server: Http2Server;
let ten: Ten;
let port: number;

beforeAll(async () => {
  server = await startHttp2Server();
  ({ ten, port } = server);
});
afterAll(() => server[Symbol.asyncDispose]());

const residentMb = () =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${ten.pid}/status`, "utf8"))?.[1]) / 1024;

async function isServed(): Promise<void> {
  const talking = await talk(port, HOST);
  talking.send(headers(1));
  expect((await talking.first(onStream(1)))?.type).toBe(TYPE.headers);
  talking.socket.destroy();
  expect((await askByTls({ port, name: HOST })).status).toBe(200);
}

/** Connection errors (RFC 9113 section 5.4.1): the code of the GOAWAY, where it is told at all. */
const CONNECTION_ERRORS: readonly (readonly [string, readonly Buffer[], number])[] = [
  ["DATA on stream 0", [frame(TYPE.data, 0, 0, Buffer.from("x"))], CODE.protocol],
  ["DATA on an idle stream", [frame(TYPE.data, 1, 1, Buffer.from("x"))], CODE.protocol],
  ["HEADERS on stream 0", [headers(0)], CODE.protocol],
  ["HEADERS on an even stream", [headers(2)], CODE.protocol],
  ["HEADERS on a lower stream than before", [headers(5), headers(3)], CODE.protocol],
  [
    "HEADERS with more padding than payload",
    [frame(TYPE.headers, 13, 1, Buffer.from([200, 1]))],
    CODE.protocol,
  ],
  [
    "HEADERS that are no HPACK",
    [frame(TYPE.headers, 5, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]))],
    CODE.compression,
  ],
  [
    "HEADERS with an index beyond the table",
    [frame(TYPE.headers, 5, 1, Buffer.from([0xff, 0x50]))],
    CODE.compression,
  ],
  ["RST_STREAM on stream 0", [frame(TYPE.reset, 0, 0, u32(8))], CODE.protocol],
  ["RST_STREAM on an idle stream", [frame(TYPE.reset, 0, 1, u32(8))], CODE.protocol],
  ["RST_STREAM of 3 bytes", [headers(1, GET, 4), frame(TYPE.reset, 0, 1, Buffer.alloc(3))], CODE.frameSize],
  ["SETTINGS on a stream", [frame(TYPE.settings, 0, 1)], CODE.protocol],
  ["SETTINGS of 5 bytes", [frame(TYPE.settings, 0, 0, Buffer.alloc(5))], CODE.frameSize],
  [
    "SETTINGS acknowledged with a payload",
    [frame(TYPE.settings, FLAG.ack, 0, Buffer.alloc(6))],
    CODE.frameSize,
  ],
  ["SETTINGS_ENABLE_PUSH of 2", [frame(TYPE.settings, 0, 0, Buffer.from([0, 2, 0, 0, 0, 2]))], CODE.protocol],
  ["a window of 2^31", [frame(TYPE.settings, 0, 0, Buffer.from([0, 4, 0x80, 0, 0, 0]))], CODE.flowControl],
  ["a frame size of 100", [frame(TYPE.settings, 0, 0, Buffer.from([0, 5, 0, 0, 0, 100]))], CODE.protocol],
  ["PUSH_PROMISE of a client", [frame(TYPE.push, 4, 1, Buffer.concat([u32(2), block(GET)]))], CODE.protocol],
  ["PING on a stream", [frame(TYPE.ping, 0, 1, Buffer.alloc(8))], CODE.protocol],
  ["PING of 7 bytes", [frame(TYPE.ping, 0, 0, Buffer.alloc(7))], CODE.frameSize],
  ["GOAWAY on a stream", [frame(TYPE.goaway, 0, 1, Buffer.alloc(8))], CODE.protocol],
  ["WINDOW_UPDATE of 0", [frame(TYPE.window, 0, 0, u32(0))], CODE.protocol],
  ["WINDOW_UPDATE beyond 2^31-1", [frame(TYPE.window, 0, 0, u32(0x7fffffff))], CODE.flowControl],
  ["WINDOW_UPDATE of 3 bytes", [frame(TYPE.window, 0, 0, Buffer.alloc(3))], CODE.frameSize],
  ["CONTINUATION without HEADERS", [frame(TYPE.continuation, 4, 1, block(GET))], CODE.protocol],
  [
    "another frame within HEADERS",
    [headers(1, GET, 1), frame(TYPE.ping, 0, 0, Buffer.alloc(8))],
    CODE.protocol,
  ],
  [
    "CONTINUATION of another stream",
    [headers(1, GET, 1), frame(TYPE.continuation, 4, 3, block([]))],
    CODE.protocol,
  ],
  [
    "DATA with more padding than payload",
    [headers(1, GET, 4), frame(TYPE.data, FLAG.padded, 1, Buffer.from([200, 1]))],
    CODE.protocol,
  ],
  ["a frame of an unknown kind within HEADERS", [headers(1, GET, 1), frame(0xfa, 0, 1)], CODE.protocol],
  [
    "CONTINUATION behind the end of HEADERS",
    [headers(1, GET, 4), frame(TYPE.continuation, 4, 1)],
    CODE.protocol,
  ],
  [
    "HEADERS above SETTINGS_MAX_FRAME_SIZE",
    [frame(TYPE.headers, 5, 1, Buffer.alloc(16_385))],
    CODE.frameSize,
  ],
  [
    "the index 0 of HPACK",
    [frame(TYPE.headers, 5, 1, Buffer.concat([block(GET), Buffer.from([0x80])]))],
    CODE.compression,
  ],
  [
    "a change of the table's size behind fields",
    [frame(TYPE.headers, 5, 1, Buffer.concat([block(GET), Buffer.from([0x20])]))],
    CODE.compression,
  ],
  [
    "a table above SETTINGS_HEADER_TABLE_SIZE",
    [frame(TYPE.headers, 5, 1, Buffer.concat([Buffer.from([0x3f, 0xe1, 0xff, 0x03]), block(GET)]))],
    CODE.compression,
  ],
  // Of RFC 7541, 5.2: what fills the last byte is at most 7 bits, all ones, and EOS is in no string.
  ...[
    ["a whole byte behind a Huffman string", "0085f2b24a84ff8449509fff"],
    ["zeros behind a Huffman string", "0085f2b24a84ff83495090"],
    ["EOS in a Huffman string", "0085f2b24a87fffffffd25427f"],
  ].map(([what = "", hex = ""]) => {
    const field = Buffer.from(hex, "hex");
    return [what, [frame(TYPE.headers, 5, 1, Buffer.concat([block(GET), field]))], CODE.compression] as const;
  }),
  [
    "a frame above SETTINGS_MAX_FRAME_SIZE",
    [headers(1, GET, 4), frame(TYPE.data, 0, 1, Buffer.alloc(16_385))],
    CODE.frameSize,
  ],
];

/** Stream errors (RFC 9113 section 5.4.2): the stream is reset, or the connection ends. */
const data = (bytes: number, flags = 0) => frame(TYPE.data, flags, 1, Buffer.alloc(bytes, "x"));
const STREAM_ERRORS: readonly (readonly [string, readonly Buffer[]])[] = [
  ["DATA behind the end of the stream (5.1)", [headers(1), data(1)]],
  ["HEADERS behind the end of the stream (5.1)", [headers(1), headers(1)]],
  ["more DATA than Content-Length (8.1.1)", [headers(1, [...POST, ["content-length", "1"]], 4), data(2, 1)]],
  ["less DATA than Content-Length (8.1.1)", [headers(1, [...POST, ["content-length", "3"]], 4), data(2, 1)]],
  ["a pseudo field in trailers (8.1)", [headers(1, POST, 4), data(1), headers(1, [[":path", "/"]], 5)]],
  ["trailers that do not end the stream (8.1)", [headers(1, POST, 4), data(1), headers(1, [["x", "1"]], 4)]],
];

/** Malformed requests (RFC 9113 section 8.1.1): the stream is reset, or answered 400; the connection goes on. */
const MALFORMED: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  ["a name in capitals", [...GET, ["X-Shout", "1"]]],
  ["a field of the connection", [...GET, ["connection", "close"]]],
  ["Transfer-Encoding", [...GET, ["transfer-encoding", "chunked"]]],
  ["TE that is not trailers", [...GET, ["te", "gzip"]]],
  ["a pseudo field behind others", [...GET.slice(0, 3), ["x", "1"], [":authority", HOST]]],
  ["a pseudo field that is none", [...GET, [":nonsense", "1"]]],
  ["a pseudo field of answers", [...GET, [":status", "200"]]],
  ["a pseudo field twice", [...GET, [":path", "/two"]]],
  ["no method", GET.slice(1)],
  ["no path", [GET[0], GET[1], GET[3]]],
  ["an empty path", [GET[0], GET[1], [":path", ""], GET[3]]],
  ["no scheme", [GET[0], GET[2], GET[3]]],
  ["two hosts", [...GET, ["host", "other.test"]]],
  ["a line feed in a value", [...GET, ["x", "a\nb"]]],
  ["a NUL in a value", [...GET, ["x", "a\0b"]]],
  ["a blank in a name", [...GET, ["x y", "1"]]],
  ["a length that is none", [...GET, ["content-length", "1x"]]],
  ["a length with a request that has no body", [...GET, ["content-length", "5"]]],
];

describe("HTTP/2", () => {
  test("serves a request, whatever it is padded with, prioritised or split into", async () => {
    const talking = await talk(port, HOST);
    const whole = block(GET);
    talking.send(
      headers(1),
      frame(TYPE.headers, 5 | FLAG.padded, 3, Buffer.concat([Buffer.from([7]), whole, Buffer.alloc(7)])),
      frame(TYPE.headers, 5 | FLAG.priority, 5, Buffer.concat([u32(0), Buffer.from([15]), whole])),
      frame(TYPE.headers, 1, 7, whole.subarray(0, 3)),
      frame(TYPE.continuation, 0, 7, whole.subarray(3, 9)),
      frame(TYPE.continuation, 0, 7, whole.subarray(9, 10)),
      frame(TYPE.continuation, 4, 7, whole.subarray(10)),
      frame(TYPE.priority, 0, 9, Buffer.concat([u32(0), Buffer.from([15])])),
      frame(0xfa, 0xff, 9, Buffer.from("a frame of a kind that is not known")),
      frame(TYPE.settings, 0, 0, Buffer.from([0xfa, 0xfa, 1, 2, 3, 4])),
      headers(9),
    );
    for (const stream of [1, 3, 5, 7, 9])
      expect([stream, await statusOrReset(talking, stream)]).toEqual([stream, "served"]);
    talking.send(frame(TYPE.ping, 0, 0, Buffer.from("12345678")));
    const pong = await talking.first(({ type }) => type === TYPE.ping);
    expect([pong?.flags, pong?.payload.toString()]).toEqual([FLAG.ack, "12345678"]);
    talking.socket.destroy();
  });

  test.each(CONNECTION_ERRORS)("%s ends the connection", async (_, frames, code) => {
    const talking = await talk(port, HOST);
    talking.send(...frames);
    expect([code, "closed"]).toContain(await talking.end());
    talking.socket.destroy();
  });

  test.each(STREAM_ERRORS)("%s is an error of the stream", async (_, frames) => {
    const talking = await talk(port, HOST);
    talking.send(...frames);
    const seen = await Promise.race([
      talking.first(({ type }) => type === TYPE.reset || type === TYPE.goaway),
      talking.end(),
    ]);
    expect(seen).toBeDefined();
    talking.socket.destroy();
    await isServed();
  });

  test.each(MALFORMED)("a request with %s is not served, and the next is", async (_, fields) => {
    const talking = await talk(port, HOST);
    talking.send(headers(1, fields));
    expect(await statusOrReset(talking, 1)).toBe("refused");
    if (!talking.frames.some(({ type }) => type === TYPE.goaway)) {
      talking.send(headers(3));
      expect(await statusOrReset(talking, 3)).toBe("served");
    }
    talking.socket.destroy();
  });

  test("begins with its preface and nothing else", async () => {
    for (const preface of [
      `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
      "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
      Buffer.alloc(24),
    ]) {
      const talking = await talk(port, HOST, preface);
      expect([CODE.protocol, "closed"]).toContain(await talking.end());
    }
  });
});

describe("a flood", () => {
  /** Sends `piece` until the connection ends or `most` are sent; how many, and how it ended. */
  async function flood(piece: (nth: number) => Buffer, most: number, before: readonly Buffer[] = []) {
    const memory = residentMb();
    const talking = await talk(port, HOST);
    // What the server allows, before a flood has the connection cut with all that was on its way.
    await talking.first(({ type }) => type === TYPE.settings);
    talking.send(...before);
    let sent = 0;
    while (sent < most && !talking.isClosed && !talking.frames.some(({ type }) => type === TYPE.goaway)) {
      const batch = Array.from({ length: 50 }, (_, at) => piece(sent + at));
      sent += batch.length;
      const isTaken = talking.socket.write(Buffer.concat(batch));
      if (!isTaken) await new Promise<void>((turn) => setTimeout(turn, 1));
      else if (sent % 500 === 0) await new Promise<void>((turn) => setImmediate(turn));
    }
    const isEnded = talking.isClosed || talking.frames.some(({ type }) => type === TYPE.goaway);
    if (!isEnded) talking.socket.destroy();
    return { sent, isEnded, grownMb: residentMb() - memory, talking };
  }

  test("of streams that are reset at once (rapid reset, CVE-2023-44487) ends", async () => {
    const { isEnded, grownMb } = await flood(
      (nth) => Buffer.concat([headers(1 + 2 * nth), frame(TYPE.reset, 0, 1 + 2 * nth, u32(8))]),
      50_000,
    );
    expect(isEnded).toBe(true);
    expect(grownMb).toBeLessThan(100);
    await isServed();
  });

  test("of CONTINUATION without an end (CVE-2024-27316) ends", async () => {
    const piece = frame(TYPE.continuation, 0, 1, block([["x".repeat(40), "y".repeat(8_000)]]));
    const { isEnded, sent, grownMb } = await flood(() => piece, 20_000, [headers(1, GET, 1)]);
    expect([isEnded, sent < 2_000]).toEqual([true, true]);
    expect(grownMb).toBeLessThan(100);
    await isServed();
  });

  test("of empty CONTINUATION ends", async () => {
    const { isEnded } = await flood(() => frame(TYPE.continuation, 0, 1), 200_000, [headers(1, GET, 1)]);
    expect(isEnded).toBe(true);
    await isServed();
  });

  test.each([
    ["SETTINGS (CVE-2019-9515)", () => frame(TYPE.settings, 0, 0, Buffer.from([0, 3, 0, 0, 0, 100]))],
    ["PING (CVE-2019-9512)", () => frame(TYPE.ping, 0, 0, Buffer.alloc(8))],
    [
      "PRIORITY",
      (nth: number) => frame(TYPE.priority, 0, 1 + 2 * nth, Buffer.concat([u32(0), Buffer.from([1])])),
    ],
    ["empty DATA (CVE-2019-9518)", () => frame(TYPE.data, 0, 1)],
    ["WINDOW_UPDATE of 1", () => frame(TYPE.window, 0, 0, u32(1))],
  ] as const)("of %s holds nothing, and nobody else up", async (_, piece) => {
    const before = [headers(1, [[":method", "POST"], ...GET.slice(1)], 4)];
    const { grownMb } = await flood(piece, 30_000, before);
    expect(grownMb).toBeLessThan(100);
    await isServed();
  });

  test("of fields out of a table (HPACK bomb) is refused", async () => {
    // One field of 4,000 bytes goes into the table, and is then named 16,000 times by one byte each: 64 MB.
    const entry = Buffer.concat([Buffer.from([0x40]), block([["bomb", "b".repeat(3_900)]]).subarray(1)]);
    const talking = await talk(port, HOST);
    const memory = residentMb();
    talking.send(
      frame(TYPE.headers, 1, 1, Buffer.concat([block(GET), entry])),
      frame(TYPE.continuation, 4, 1, Buffer.alloc(16_000, 0xbe)),
    );
    expect(await statusOrReset(talking, 1)).toBe("refused");
    expect(residentMb() - memory).toBeLessThan(100);
    talking.socket.destroy();
    await isServed();
  });

  test("of streams that are opened and left: no more than are allowed, and others are served", async () => {
    const slow = [[":method", "POST"], ...GET.slice(1)] as const;
    const { talking } = await flood((nth) => headers(1 + 2 * nth, slow, 4), 2_000);
    const settings = await talking.first(({ type, flags }) => type === TYPE.settings && flags === 0);
    // How many it allows at once (RFC 9113 section 6.5.2): identifier 3.
    const pairs = settings?.payload.toString("hex").match(/.{12}/g) ?? [];
    const most = pairs.find((pair) => pair.startsWith("0003"));
    expect(Number.parseInt(most?.slice(4) ?? "ffffffff", 16)).toBeLessThanOrEqual(1_000);
    await isServed();
    talking.socket.destroy();
  });

  test("of windows that stay shut (slow reading) holds a bounded answer", async () => {
    const memory = residentMb();
    const talks = await Promise.all(Array.from({ length: 20 }, () => talk(port, HOST)));
    for (const talking of talks)
      talking.send(
        frame(TYPE.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])),
        ...Array.from({ length: 50 }, (_, nth) => headers(1 + 2 * nth)),
      );
    await Promise.all(talks.map((talking) => talking.first(({ type }) => type === TYPE.headers)));
    expect(residentMb() - memory).toBeLessThan(150);
    for (const talking of talks) talking.socket.destroy();
    await isServed();
  });
});

test("near the limit of descriptors connections that idle make room for others", async () => {
  await using small = await startHttp2Server({
    within: ["sh", "-c", 'ulimit -n 128; exec "$0" "$@"'],
    isVisited: false,
  });
  const { ten: tight, port: httpsPort } = small;
  // Each takes three: its own, and both ends of that to Bun's server.
  const idle: Talk[] = [];
  for (let at = 0; at < 20; at++) {
    const talking = await talk(httpsPort, HOST);
    talking.send(headers(1));
    expect((await talking.first(onStream(1)))?.type).toBe(TYPE.headers);
    idle.push(talking);
  }
  try {
    for (let round = 0; round < 3; round++) {
      const visits = Array.from({ length: 40 }, () => tight.get(HOST));
      expect(new Set((await Promise.all(visits)).map(({ status }) => status))).toEqual(new Set([200]));
      const asked = await Promise.all(
        Array.from({ length: 20 }, () => askByTls({ port: httpsPort, name: HOST })),
      );
      expect(new Set(asked.map(({ status }) => status))).toEqual(new Set([200]));
    }
    await until("some of them made room", () => idle.some(({ isClosed }) => isClosed));
  } finally {
    for (const { socket } of idle) socket.destroy();
  }
});
