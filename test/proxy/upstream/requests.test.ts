// How requests go out: heads, bodies whole and streamed, and what happens when a body breaks off.
import { describe, expect, test } from "bun:test";
import { scriptedOrigin } from "../../support/scripted-origin.ts";
import { until } from "../../support/until.ts";
import { createClient, failureOf, ok, streamOf, text } from "./client.ts";

const bytes = (content: string) => Buffer.from(content, "latin1");

describe("a request arrives", () => {
  test("byte for byte, small body included", async () => {
    await using target = scriptedOrigin({ onRequest: ({ connection }) => connection.write(ok("")) });
    await using client = createClient();
    const fields = [
      ["Host", "a.test"],
      ["x-Odd-CASE", "caf\xe9 \t;,"],
      ["X-Twice", "1"],
      ["X-Twice", "2"],
    ] as const;
    await client.send(target.origin, {
      method: "PUT",
      path: "//a/../%2e?q='\"<",
      fields,
      body: bytes("h\xe9"),
    }).response;
    expect(target.connections[0]?.received()).toBe(
      "PUT //a/../%2e?q='\"< HTTP/1.1\r\nHost: a.test\r\nx-Odd-CASE: caf\xe9 \t;,\r\nX-Twice: 1\r\nX-Twice: 2\r\n" +
        "Content-Length: 2\r\n\r\nh\xe9",
    );
  });
  test("with a body larger than any buffer on the way", async () => {
    await using target = scriptedOrigin({
      onRequest: ({ connection, body }) => connection.write(ok(String(body.length))),
    });
    await using client = createClient();
    const body = Buffer.alloc(9_000_000, "x");
    const answered = await client.send(target.origin, { method: "POST", body }, { requestTimeoutMs: 10_000 })
      .response;
    expect(await text(answered)).toBe("9000000");
  });
  test("with a head larger than the shared buffer", async () => {
    await using target = scriptedOrigin({ onRequest: ({ connection }) => connection.write(ok("")) });
    await using client = createClient();
    const fields = [["X", "y".repeat(100_000)]] as const;
    await client.send(target.origin, { method: "POST", fields, body: bytes("tail") }).response;
    expect(target.requests).toMatchObject([{ body: "tail" }]);
    expect(target.requests[0]?.head).toContain(`X: ${"y".repeat(100_000)}\r\n`);
  });
  test("streamed with a known length", async () => {
    await using target = scriptedOrigin({ onRequest: ({ connection, body }) => connection.write(ok(body)) });
    await using client = createClient();
    const body = { stream: streamOf(["one", "", "two"]), length: 6 };
    expect(await text(await client.send(target.origin, { method: "POST", body }).response)).toBe("onetwo");
    expect(target.requests[0]?.head).toContain("Content-Length: 6\r\n");
  });
  test("streamed in chunks", async () => {
    await using target = scriptedOrigin({ onRequest: ({ connection }) => connection.write(ok("")) });
    await using client = createClient();
    const body = { stream: streamOf(["one", "", "x".repeat(20)]), length: undefined };
    await client.send(target.origin, { method: "POST", body }).response;
    expect(target.requests).toMatchObject([{ body: `3\r\none\r\n14\r\n${"x".repeat(20)}\r\n0\r\n\r\n` }]);
  });
});

describe("a connection dies with the request body that", () => {
  test.each([
    ["breaks off", streamOf(["abc"], new Error("gone")), 10],
    ["is shorter than announced", streamOf(["abc"]), 10],
    ["is longer than announced", streamOf(["abc", "def"]), 4],
    ["breaks off in chunks", streamOf(["abc"], new Error("gone")), undefined],
  ] as const)("%s", async (_, stream, length) => {
    await using target = scriptedOrigin({});
    await using client = createClient();
    const { response, ends } = client.send(target.origin, { method: "POST", body: { stream, length } });
    const failure = await failureOf(response);
    expect(failure).toMatchObject({ kind: "aborted", requestSent: true, answerBegun: false });
    expect(ends).toEqual([failure]);
    await target.connections[0]?.closed;
    expect(target.requests).toEqual([]);
  });
});

test("a target that does not read stops the request body from being read", async () => {
  const pieceBytes = 1 << 20;
  let pulled = 0;
  let isCancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      pulled += 1;
      controller.enqueue(new Uint8Array(pieceBytes));
    },
    cancel() {
      isCancelled = true;
    },
  });
  const listening = Bun.listen<undefined>({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: (socket) => void socket.pause(), data() {} },
  });
  await using client = createClient();
  const origin = { host: "127.0.0.1", port: listening.port };
  const sent = client.send(origin, { method: "POST", body: { stream, length: undefined } });
  let before = -1;
  await until("the body is no longer pulled", async () => {
    const isStill = pulled > 0 && pulled === before;
    before = pulled;
    await Bun.sleep(50);
    return isStill;
  });
  expect(pulled).toBeLessThan(16);
  sent.abort();
  expect(await failureOf(sent.response)).toMatchObject({ kind: "aborted", requestSent: true });
  expect(isCancelled).toBeTrue();
  listening.stop(true);
});

test("an answer that comes before the request is whole counts, and ends the request", async () => {
  let isCancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new Uint8Array(3)),
    cancel() {
      isCancelled = true;
    },
  });
  await using target = scriptedOrigin({
    onData: (connection) => connection.write("HTTP/1.1 413 No\r\nContent-Length: 3\r\n\r\nbig"),
  });
  await using client = createClient();
  const { response, ends } = client.send(target.origin, { method: "POST", body: { stream, length: 100 } });
  const answered = await response;
  expect([answered.status, await text(answered)]).toEqual([413, "big"]);
  expect(ends).toEqual([undefined]);
  await target.connections[0]?.closed;
  expect(isCancelled).toBeTrue();
});

test("a body of the announced length is whole, also when its stream has not ended yet", async () => {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>({
    start(given: ReadableStreamDefaultController<Uint8Array>) {
      controller = given;
      given.enqueue(bytes("whole"));
    },
  });
  await using target = scriptedOrigin({ onRequest: ({ connection }) => connection.write(ok("x")) });
  await using client = createClient();
  const first = client.send(target.origin, { method: "POST", body: { stream, length: 5 } });
  expect(await text(await first.response)).toBe("x");
  await client.send(target.origin).response;
  expect(target.connections).toHaveLength(1);
  controller?.error(new Error("too late to matter"));
  expect(first.ends).toEqual([undefined]);
});

test("request and answer can stream at the same time", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  await using target = scriptedOrigin({
    onConnect: (connection) => connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    onData: (connection) => connection.write("1\r\n.\r\n"),
    onRequest: ({ connection }) => connection.write("0\r\n\r\n"),
  });
  await using client = createClient();
  const sent = client.send(target.origin, { method: "POST", body: { stream: readable, length: 6 } });
  await writer.write(bytes("one"));
  const answered = await sent.response;
  await writer.write(bytes("two"));
  void writer.close();
  expect(await text(answered)).toMatch(/^\.+$/);
  expect(target.requests).toMatchObject([{ body: "onetwo" }]);
});
