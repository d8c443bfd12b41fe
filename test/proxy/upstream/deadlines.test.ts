// Every wait has an end: deadlines, on a clock that the tests move.
import { describe, expect, test } from "bun:test";
import { deafOrigin } from "../../support/deaf-origin.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { scriptedOrigin } from "../../support/scripted-origin.ts";
import { until } from "../../support/until.ts";
import { createClient, failureOf, ok, text } from "./client.ts";

const STREAMED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";

test("a connect that nobody accepts ends at its deadline", async () => {
  const clock = createManualClock();
  using deaf = await deafOrigin();
  await using client = createClient({ clock });
  const { response, ends } = client.send(deaf.origin, {}, { connectTimeoutMs: 1_000 });
  await clock.advance(900);
  expect(ends).toEqual([]);
  await clock.advance(200);
  expect(await failureOf(response)).toMatchObject({ kind: "connect_timeout", requestSent: false });
});

describe("a target that does not answer", () => {
  test("is given up on after the request timeout, counted from the last byte of the request", async () => {
    const clock = createManualClock();
    await using target = scriptedOrigin({});
    await using client = createClient({ clock });
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const body = { stream: readable, length: 4 };
    const options = { requestTimeoutMs: 1_000, streamIdleTimeoutMs: 3_000 };
    const { response, ends } = client.send(target.origin, { method: "POST", body }, options);
    await writer.write(new Uint8Array(2));
    await until("the first bytes have arrived", () => target.connections[0]?.received().endsWith("\0\0"));
    await clock.advance(2_000);
    expect(ends).toEqual([]);
    await writer.write(new Uint8Array(2));
    await writer.close();
    await until("it has arrived", () => target.requests.length === 1);
    await clock.advance(900);
    expect(ends).toEqual([]);
    await clock.advance(200);
    expect(await failureOf(response)).toMatchObject({
      kind: "request_timeout",
      requestSent: true,
      answerBegun: false,
    });
    await target.connections[0]?.closed;
  });

  test("may take for ever when the timeout is 0", async () => {
    const clock = createManualClock();
    await using target = scriptedOrigin({});
    await using client = createClient({ clock });
    const { response } = client.send(target.origin, {}, { requestTimeoutMs: 0 });
    await until("it has arrived", () => target.requests.length === 1);
    await clock.advance(3_600_000);
    target.connections[0]?.write(ok("late"));
    expect(await text(await response)).toBe("late");
  });
});

test("a head that drips in has the request timeout once more, and no longer", async () => {
  const clock = createManualClock();
  await using target = scriptedOrigin({ onRequest: ({ connection }) => connection.write("HTTP/1.1 200") });
  await using client = createClient({ clock });
  const { response } = client.send(target.origin, {}, { requestTimeoutMs: 1_000 });
  await until("it has arrived", () => target.requests.length === 1);
  for (let count = 0; count < 15; count++) {
    target.connections[0]?.write(" ");
    await clock.advance(100);
  }
  expect(await failureOf(response)).toMatchObject({ kind: "request_timeout", answerBegun: true });
});

describe("a body that stands still", () => {
  test("ends the answer after the idle timeout", async () => {
    const clock = createManualClock();
    await using target = scriptedOrigin({ onRequest: ({ connection }) => connection.write(STREAMED) });
    await using client = createClient({ clock });
    const { response, ends } = client.send(
      target.origin,
      {},
      { streamIdleTimeoutMs: 1_000, requestTimeoutMs: 100 },
    );
    const answered = await response;
    await clock.advance(800);
    target.connections[0]?.write("3\r\ndef\r\n");
    const reader = (answered.body as ReadableStream<Uint8Array>).getReader();
    let read = "";
    while (read.length < 6) read += new TextDecoder().decode((await reader.read()).value as Uint8Array);
    await clock.advance(800);
    expect(ends).toEqual([]);
    await clock.advance(400);
    expect(await failureOf(reader.read())).toMatchObject({ kind: "stream_timeout", answerBegun: true });
    await target.connections[0]?.closed;
  });

  test("ends the request, too: the visitor's fault when all that came has left, else the target's", async () => {
    const clock = createManualClock();
    await using target = scriptedOrigin({});
    await using client = createClient({ clock });
    const body = { stream: new ReadableStream<Uint8Array>(), length: 4 };
    const options = { streamIdleTimeoutMs: 1_000, requestTimeoutMs: 100 };
    const { response } = client.send(target.origin, { method: "POST", body }, options);
    await until("the head has arrived", () => target.connections[0]?.received().endsWith("\r\n\r\n"));
    await clock.advance(1_200);
    expect(await failureOf(response)).toMatchObject({ kind: "body_timeout", requestSent: true });

    using deaf = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { open: (socket) => void socket.pause(), data() {} },
    });
    const origin = { host: "127.0.0.1", port: deaf.port };
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled += 1;
        controller.enqueue(new Uint8Array(1_000_000));
      },
    });
    const unread = client.send(
      origin,
      { method: "POST", body: { stream: endless, length: undefined } },
      options,
    );
    let before = 0;
    await until("the kernel takes no more", () => {
      const isStill = pulled === before && pulled > 2;
      before = pulled;
      return isStill;
    });
    await clock.advance(1_200);
    expect(await failureOf(unread.response)).toMatchObject({ kind: "stream_timeout", requestSent: true });
  });

  test("may stand for ever when it is an event stream", async () => {
    const clock = createManualClock();
    const head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    await using target = scriptedOrigin({ onRequest: ({ connection }) => connection.write(head) });
    await using client = createClient({ clock });
    const answered = await client.send(target.origin, {}, { streamIdleTimeoutMs: 1_000 }).response;
    await clock.advance(3_600_000);
    target.connections[0]?.write("4\r\ntick\r\n");
    const reader = (answered.body as ReadableStream<Uint8Array>).getReader();
    expect(new TextDecoder().decode((await reader.read()).value as Uint8Array)).toBe("tick");
    await reader.cancel();
  });
});

test("no timer runs while there is nothing to watch", async () => {
  let running = 0;
  const clock = createManualClock();
  const counting = {
    ...clock,
    every(periodMs: number, call: () => void) {
      running += 1;
      const cancel = clock.every(periodMs, call);
      return () => {
        running -= 1;
        cancel();
      };
    },
  };
  await using target = scriptedOrigin({ onRequest: ({ connection }) => connection.write(ok("")) });
  await using client = createClient({ clock: counting });
  expect(running).toBe(0);
  await client.send(target.origin).response;
  expect(running).toBe(1);
  await clock.advance(4_200);
  expect(running).toBe(0);
  await client.send(target.origin).response;
  expect(running).toBe(1);
});

test("no deadline passes while this process itself stands still", async () => {
  await using target = scriptedOrigin({});
  await using client = createClient();
  const { response } = client.send(target.origin, {}, { requestTimeoutMs: 600 });
  await until("it has arrived", () => target.requests.length === 1);
  Bun.sleepSync(1_000);
  await Bun.sleep(0);
  target.connections[0]?.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  expect((await response).status).toBe(200);
});
