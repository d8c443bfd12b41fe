// HTTP/2 as strict clients try it, at the compiled binary: the cases of h2spec by the sections of RFC 9113 and RFC 7541, where http2-wire has not got them.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { block, FLAG, type Frame, frame, type Talk, TYPE, talk, u32 } from "../support/http2-frames.ts";
import {
  CODE,
  type Fields,
  GET,
  HOST,
  type Http2Server,
  headers,
  onStream,
  POST,
  startHttp2Server,
  statusOrReset,
} from "./http2-server.ts";

setDefaultTimeout(180_000);

let server: Http2Server;
beforeAll(async () => {
  server = await startHttp2Server();
});
afterAll(() => server[Symbol.asyncDispose]());

const echo = (method: string): Fields => [[":method", method], GET[1], [":path", "/echo"], GET[3]];
const data = (text: string | Buffer, flags = 0) => frame(TYPE.data, flags, 1, Buffer.from(text));
const bytes = (hex: string) => Buffer.from(hex.replaceAll(" ", ""), "hex");
const fields = (...parts: readonly Buffer[]) => frame(TYPE.headers, 5, 1, Buffer.concat(parts));
const settings = (...pairs: readonly (readonly [number, number])[]) =>
  frame(
    TYPE.settings,
    0,
    0,
    Buffer.concat(pairs.map(([id, value]) => Buffer.concat([Buffer.from([0, id]), u32(value)]))),
  );
const window = (stream: number, by: number) => frame(TYPE.window, 0, stream, u32(by));
const priority = (stream: number, on = 0, weight = 15) =>
  frame(TYPE.priority, 0, stream, Buffer.concat([u32(on), Buffer.from([weight])]));
const reset = (stream: number, code = 8) => frame(TYPE.reset, 0, stream, u32(code));
/** The same with the reserved bit of its stream set. */
const reserved = (one: Buffer) => {
  const copy = Buffer.from(one);
  copy[5] = (copy[5] ?? 0) | 0x80;
  return copy;
};
const ECHO = block(echo("GET"));

const dataOf = (talking: Talk, stream = 1) =>
  talking.frames.filter((one) => one.type === TYPE.data && one.stream === stream);
const hasEnded = (one: Frame) =>
  (one.type === TYPE.data || one.type === TYPE.headers) && (one.flags & FLAG.endStream) !== 0;

/** What the app says, once all of it is there; undefined when the stream or the connection ends without. */
async function bodyOf(talking: Talk, stream = 1): Promise<string | undefined> {
  const last = await talking.first(
    (one) =>
      one.type === TYPE.goaway || (one.stream === stream && (hasEnded(one) || one.type === TYPE.reset)),
  );
  if (last === undefined || !hasEnded(last)) return undefined;
  return Buffer.concat(dataOf(talking, stream).map(({ payload }) => payload)).toString();
}

async function sayAll(...frames: readonly Buffer[]): Promise<Talk> {
  const talking = await talk(server.port, HOST);
  talking.send(...frames);
  return talking;
}

const BODY = `"body":"hello"`;
const TOLD = `"x-told":"hello"`;
const AGENT = `"user-agent":"hello"`;
const HELLO = bytes("05 68656c6c6f");
const HUFFMAN_HELLO = bytes("84 9cb4507f");
const X_TOLD = bytes("06 782d746f6c64");

/** What is good: the frames, and what the app has got of them. */
const SERVED: readonly (readonly [string, readonly Buffer[], string])[] = [
  ["PRIORITY on an idle stream (5.1)", [priority(3), headers(1, echo("GET"))], ""],
  [
    "WINDOW_UPDATE and PRIORITY on a stream that is half closed (5.1)",
    [headers(1, echo("GET")), window(1, 9), priority(1)],
    "",
  ],
  [
    "PRIORITY on the lowest and the highest weight (6.3)",
    [priority(1, 0, 0), priority(1, 0, 255), headers(1, echo("GET"))],
    "",
  ],
  [
    "PRIORITY that depends on another, exclusively (6.3)",
    [priority(5, 0x80000003), headers(1, echo("GET"))],
    "",
  ],
  ["DATA in one frame (6.1)", [headers(1, echo("POST"), 4), data("hello", 1)], BODY],
  [
    "DATA in several frames (6.1)",
    [headers(1, echo("POST"), 4), data("he"), data(""), data("l"), data("lo", 1)],
    BODY,
  ],
  [
    "DATA with padding (6.1)",
    [headers(1, echo("POST"), 4), data(bytes("03 68656c6c6f 000000"), 1 | FLAG.padded)],
    BODY,
  ],
  [
    "DATA of 2^14 bytes (4.2)",
    [headers(1, echo("POST"), 4), data("x".repeat(16_384), 1)],
    `"body":"${"x".repeat(16_384)}"`,
  ],
  [
    "a length that fits (8.1.1)",
    [headers(1, [...echo("POST"), ["content-length", "5"]], 4), data("hel"), data("lo", 1)],
    BODY,
  ],
  ["trailers (8.1)", [headers(1, echo("POST"), 4), data("hello"), headers(1, [["x-end", "1"]])], BODY],
  [
    "undefined flags (4.1)",
    [frame(TYPE.headers, 5 | 0x52, 1, ECHO), frame(TYPE.ping, 0x16, 0, Buffer.alloc(8))],
    "",
  ],
  [
    "a reserved bit (4.1)",
    [reserved(frame(TYPE.headers, 5, 1, ECHO)), reserved(frame(TYPE.ping, 0, 0, Buffer.alloc(8)))],
    "",
  ],
  ["a frame of an unknown kind (5.5)", [frame(0x16, 0, 0, Buffer.alloc(8)), headers(1, echo("GET"))], ""],
  ["a setting that is not known (6.5.2)", [settings([0xff, 1]), headers(1, echo("GET"))], ""],
  ["a frame size of 2^24 - 1 (6.5.2)", [settings([5, 0xffffff]), headers(1, echo("GET"))], ""],
  [
    "a PING that is an answer (6.7)",
    [frame(TYPE.ping, FLAG.ack, 0, Buffer.alloc(8)), headers(1, echo("GET"))],
    "",
  ],
  ["indexed fields (RFC 7541, 6.1)", [fields(bytes("82 87"), block(echo("GET").slice(2)))], `"method":"GET"`],
  ["a literal that is kept, its name too (6.2.1)", [fields(ECHO, bytes("40"), X_TOLD, HELLO)], TOLD],
  ["a literal that is kept, its name indexed (6.2.1)", [fields(ECHO, bytes("7a"), HELLO)], AGENT],
  ["a literal in Huffman's code that is kept (6.2.1)", [fields(ECHO, bytes("7a"), HUFFMAN_HELLO)], AGENT],
  [
    "a literal that is kept, named again by its index (6.2.1)",
    [fields(ECHO, bytes("40"), X_TOLD, bytes("01 2d"), bytes("7e"), HELLO)],
    `"x-told":"-, hello"`,
  ],
  ["a literal that is not kept (6.2.2)", [fields(ECHO, bytes("00"), X_TOLD, HUFFMAN_HELLO)], TOLD],
  ["a literal that is not kept, its name indexed (6.2.2)", [fields(ECHO, bytes("0f2b"), HELLO)], AGENT],
  ["a literal that is never kept (6.2.3)", [fields(ECHO, bytes("10"), X_TOLD, HELLO)], TOLD],
  [
    "a literal that is never kept, its name indexed (6.2.3)",
    [fields(ECHO, bytes("1f2b"), HUFFMAN_HELLO)],
    AGENT,
  ],
  ["a change of the table's size (6.3)", [fields(bytes("3f e1 01"), ECHO, bytes("40"), X_TOLD, HELLO)], TOLD],
  [
    "two changes of the table's size (6.3)",
    [fields(bytes("20 3f e1 1f"), ECHO, bytes("40"), X_TOLD, HELLO)],
    TOLD,
  ],
];

describe("is served", () => {
  test.each(SERVED)("%s", async (_, frames, told) => {
    const talking = await sayAll(...frames);
    const said = await bodyOf(talking);
    expect(said).toContain(`"path":"/echo"`);
    expect(said).toContain(told);
    talking.socket.destroy();
  });

  test("HEAD, with a head and no body (8.1)", async () => {
    const talking = await sayAll(headers(1, echo("HEAD")));
    expect(await bodyOf(talking)).toBe("");
    expect(await statusOrReset(talking, 1)).toBe("served");
    talking.socket.destroy();
  });

  test("PRIORITY on a stream that is closed (5.1)", async () => {
    const talking = await sayAll(headers(1));
    expect(await bodyOf(talking)).toContain("v1");
    talking.send(priority(1), headers(3));
    expect(await statusOrReset(talking, 3)).toBe("served");
    talking.socket.destroy();
  });

  test("what comes behind a stream that its client has given up, for whatever reason (5.1, 7)", async () => {
    const talking = await sayAll(headers(1, POST, 4), reset(1, 0xff), headers(3), reset(3), headers(5));
    expect(await statusOrReset(talking, 5)).toBe("served");
    talking.socket.destroy();
  });

  test("a PING behind a GOAWAY with an unknown reason, or the connection ends (7)", async () => {
    const away = frame(TYPE.goaway, 0, 0, Buffer.concat([u32(0), u32(0xff)]));
    const talking = await sayAll(away, frame(TYPE.ping, 0, 0, Buffer.from("12345678")));
    const seen = await talking.first(({ type }) => type === TYPE.ping || type === TYPE.goaway);
    expect(seen !== undefined || talking.isClosed).toBe(true);
    talking.socket.destroy();
  });

  test("each SETTINGS by an acknowledgement (6.5.3)", async () => {
    const talking = await sayAll(settings([3, 100]), settings(), headers(1));
    expect(await statusOrReset(talking, 1)).toBe("served");
    talking.send(frame(TYPE.ping, 0, 0, Buffer.alloc(8)));
    await talking.first(({ type }) => type === TYPE.ping);
    // That of the preface is the third.
    const acknowledged = talking.frames.filter(({ type, flags }) => type === TYPE.settings && flags === 1);
    expect(acknowledged.length).toBe(3);
    talking.socket.destroy();
  });
});

describe("windows", () => {
  /** The first that has come of a body, once `more` bytes of it have. */
  const received = async (talking: Talk, more: number) => {
    const sum = () => dataOf(talking).reduce((all, { payload }) => all + payload.length, 0);
    await talking.first(() => sum() >= more);
    // What was sent beside it is here when this is answered.
    const mark = Buffer.from(String(more).padStart(8, "0"));
    talking.send(frame(TYPE.ping, 0, 0, mark));
    await talking.first(({ type, payload }) => type === TYPE.ping && payload.equals(mark));
    return sum();
  };

  test.each([
    ["of one byte gets one (6.9.1)", [settings([4, 1])]],
    ["set twice in one frame is the last (6.5.3)", [settings([4, 100], [4, 1])]],
  ])("a window %s, and the rest when it is opened", async (_, before) => {
    const talking = await sayAll(...before, headers(1));
    expect(await received(talking, 1)).toBe(1);
    talking.send(window(1, 60_000));
    expect(await bodyOf(talking)).toContain(`"instance":"api:v1"`);
    talking.socket.destroy();
  });

  test("a window that is opened by SETTINGS while an answer waits (6.9.2)", async () => {
    const talking = await sayAll(settings([4, 0]), headers(1));
    expect(await statusOrReset(talking, 1)).toBe("served");
    talking.send(settings([4, 1]));
    expect(await received(talking, 1)).toBe(1);
    talking.socket.destroy();
  });

  test("a window below zero, which WINDOW_UPDATE brings up again (6.9.2)", async () => {
    const talking = await sayAll(settings([4, 3]), headers(1));
    expect(await received(talking, 3)).toBe(3);
    talking.send(settings([4, 2]));
    expect(await received(talking, 3)).toBe(3);
    talking.send(window(1, 2));
    expect(await received(talking, 4)).toBe(4);
    talking.socket.destroy();
  });
});

const again = block(GET);
/** Connection errors: the code of the GOAWAY, where it is told at all. */
const CONNECTION_ERRORS: readonly (readonly [string, readonly Buffer[], number])[] = [
  ["WINDOW_UPDATE on an idle stream (5.1)", [window(1, 100)], CODE.protocol],
  ["PRIORITY on stream 0 (6.3)", [priority(0)], CODE.protocol],
  ["a frame size of 2^24 (6.5.2)", [settings([5, 0x1000000])], CODE.protocol],
  [
    "CONTINUATION on stream 0 (6.10)",
    [headers(1, GET, 1), frame(TYPE.continuation, 4, 0, again)],
    CODE.protocol,
  ],
  [
    "CONTINUATION behind DATA (6.10)",
    [headers(1, POST, 4), data("x"), frame(TYPE.continuation, 4, 1, again)],
    CODE.protocol,
  ],
  [
    "CONTINUATION behind the last one (6.10)",
    [headers(1, POST, 0), frame(TYPE.continuation, 4, 1), frame(TYPE.continuation, 4, 1)],
    CODE.protocol,
  ],
  ["PRIORITY within HEADERS (4.3)", [headers(1, GET, 1), priority(1)], CODE.protocol],
  ["HEADERS of another stream within HEADERS (4.3)", [headers(1, GET, 1), headers(3)], CODE.protocol],
  [
    "windows that add up to more than 2^31 - 1 (6.9.1)",
    [window(0, 0x7fff0000), window(0, 0x7fff0000)],
    CODE.flowControl,
  ],
];

/** Stream errors: the stream is reset, or the connection ends. */
const STREAM_ERRORS: readonly (readonly [string, readonly Buffer[]])[] = [
  ["CONTINUATION behind the end of the stream (5.1)", [headers(1), frame(TYPE.continuation, 4, 1, again)]],
  ["PRIORITY of 4 bytes (6.3)", [headers(1, POST, 4), frame(TYPE.priority, 0, 1, Buffer.alloc(4))]],
  ["WINDOW_UPDATE of 0 on a stream (6.9)", [headers(1, POST, 4), window(1, 0)]],
  ["WINDOW_UPDATE beyond 2^31 - 1 on a stream (6.9.1)", [headers(1, POST, 4), window(1, 0x7fffffff)]],
  [
    "more DATA than Content-Length, in two frames (8.1.1)",
    [headers(1, [...POST, ["content-length", "1"]], 4), data("x"), data("x", 1)],
  ],
  ["the method twice (8.3.1)", [headers(1, [...GET, [":method", "GET"]])]],
  ["the scheme twice (8.3.1)", [headers(1, [...GET, [":scheme", "https"]])]],
];

describe("is refused", () => {
  test.each(CONNECTION_ERRORS)("with the connection: %s", async (_, frames, code) => {
    const talking = await sayAll(...frames);
    expect([code, "closed"]).toContain(await talking.end());
    talking.socket.destroy();
  });

  test.each(STREAM_ERRORS)("with the stream: %s", async (_, frames) => {
    const talking = await sayAll(...frames);
    // Malformed requests may be answered as well (8.1.1), with 400.
    const seen = await talking.first((one) => onStream(1)(one) || one.type === TYPE.goaway);
    if (seen?.type === TYPE.headers) expect(await statusOrReset(talking, 1)).toBe("refused");
    talking.socket.destroy();
  });

  test.each([
    ["DATA", data("x")],
    ["HEADERS", headers(1)],
    ["CONTINUATION", frame(TYPE.continuation, 4, 1, again)],
  ])("%s on a stream that its client has reset is not served (5.1)", async (_, late) => {
    const talking = await sayAll(headers(1, POST, 4), reset(1), late, headers(3));
    const next = await statusOrReset(talking, 3);
    expect(talking.frames.some((one) => one.type === TYPE.headers && one.stream === 1)).toBe(false);
    if (!talking.isClosed && !talking.frames.some(({ type }) => type === TYPE.goaway))
      expect(next).toBe("served");
    talking.socket.destroy();
  });
});
