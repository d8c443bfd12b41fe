// Bodies of answers as streams: never more of them in memory than agreed, and given up in every phase.
import { describe, expect, test } from "bun:test";
import { createManualClock } from "../../support/manual-clock.ts";
import { type Script, type ScriptedOrigin, scriptedOrigin } from "../../support/scripted-origin.ts";
import { until } from "../../support/until.ts";
import { type Client, createClient, failureOf, ok, streamOf, text } from "./client.ts";

const LARGE = 32 << 20;

function large(framing: "length" | "chunked" | "close"): Script {
  const heads = {
    length: `Content-Length: ${LARGE}\r\n`,
    chunked: "Transfer-Encoding: chunked\r\n",
    close: "",
  };
  return {
    onRequest({ connection }) {
      connection.write(`HTTP/1.1 200 OK\r\n${heads[framing]}\r\n`);
      if (framing === "chunked") connection.write(`${LARGE.toString(16)}\r\n`);
      connection.write(Buffer.alloc(LARGE, "x"));
      if (framing === "chunked") connection.write("\r\n0\r\n\r\n");
      if (framing === "close") connection.end();
    },
  };
}

/** How much the target could write, once that no longer grows. */
async function standstill(target: ScriptedOrigin): Promise<number> {
  let before = -1;
  await until("the target is held up", async () => {
    const written = target.connections[0]?.written() ?? 0;
    const isStill = written > 0 && written === before;
    before = written;
    await Bun.sleep(50);
    return isStill;
  });
  return before;
}

describe.each(["length", "chunked", "close"] as const)("a large answer framed by %s", (framing) => {
  test("that nobody reads is left with the target", async () => {
    await using target = scriptedOrigin(large(framing));
    await using client = createClient();
    const answered = await client.send(target.origin).response;
    // What both kernels hold, and no more.
    expect(await standstill(target)).toBeLessThan(LARGE / 2);
    await (answered.body as ReadableStream).cancel();
    await target.connections[0]?.closed;
  });

  test("arrives whole at a reader that begins late", async () => {
    await using target = scriptedOrigin(large(framing));
    await using client = createClient();
    const { response, ends } = client.send(target.origin);
    const answered = await response;
    await standstill(target);
    expect((await text(answered))?.length).toBe(LARGE);
    expect(ends).toEqual([undefined]);
    const again = await client.send(target.origin).response;
    expect(target.connections).toHaveLength(framing === "close" ? 2 : 1);
    await (again.body as ReadableStream).cancel();
  });
});

describe("a small answer that comes in two parts", () => {
  const begun: Script = {
    onRequest: ({ connection }) => connection.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab"),
  };

  /** Sends a request, and waits until the first part of its answer has certainly been read. */
  async function half(client: Client, target: ScriptedOrigin) {
    const sent = client.send(target.origin);
    await until("it has arrived", () => target.requests.length === 1);
    await Bun.sleep(20);
    return sent;
  }

  test("in quick succession is bytes", async () => {
    await using target = scriptedOrigin(begun);
    await using client = createClient({ clock: createManualClock() });
    const { response, ends } = await half(client, target);
    expect(ends).toEqual([]);
    target.connections[0]?.write("cd");
    const { body } = await response;
    expect(body).toEqual(new TextEncoder().encode("abcd"));
    expect(ends).toEqual([undefined]);
  });

  test("is a stream when the second takes its time", async () => {
    const clock = createManualClock();
    await using target = scriptedOrigin(begun);
    await using client = createClient({ clock });
    const { response } = await half(client, target);
    let isAnswered = false;
    void response.then(() => {
      isAnswered = true;
    });
    await until("it is answered without its end", async () => {
      await clock.advance(2);
      return isAnswered;
    });
    const answered = await response;
    expect(answered.body).toBeInstanceOf(ReadableStream);
    target.connections[0]?.write("cd");
    expect(await text(answered)).toBe("abcd");
  });

  test("and breaks off in between has failed as a whole", async () => {
    const clock = createManualClock();
    await using target = scriptedOrigin(begun);
    await using client = createClient({ clock });
    const { response, ends } = await half(client, target);
    target.connections[0]?.end();
    const failure = await failureOf(response);
    expect(failure).toMatchObject({ kind: "reset", answerBegun: true });
    await clock.advance(2);
    expect(ends).toEqual([failure]);
  });
});

describe("a visitor who leaves", () => {
  const phases: Record<string, Script> = {
    "before the answer": {},
    "in the middle of the head": { onRequest: ({ connection }) => connection.write("HTTP/1.1 200 OK\r\nA") },
    "behind an interim answer": {
      onRequest: ({ connection }) => connection.write("HTTP/1.1 100 Go\r\n\r\n"),
    },
  };
  test.each(Object.entries(phases))("%s frees the target at once", async (_, script) => {
    await using target = scriptedOrigin(script);
    await using client = createClient();
    const { response, ends, abort } = client.send(target.origin);
    await until("it has arrived", () => target.requests.length === 1);
    await Bun.sleep(5);
    abort();
    const failure = await failureOf(response);
    expect(failure).toMatchObject({ kind: "aborted", requestSent: true });
    expect(ends).toEqual([failure]);
    await target.connections[0]?.closed;
  });

  test("before anything was sent leaves no trace", async () => {
    await using target = scriptedOrigin({});
    await using client = createClient();
    const { response, ends, abort } = client.send(target.origin);
    abort();
    const failure = await failureOf(response);
    expect(failure).toMatchObject({ kind: "aborted", requestSent: false });
    expect(ends).toEqual([failure]);
    await Bun.sleep(10);
    expect(target.requests).toEqual([]);
  });

  test("before it asks is not sent at all", async () => {
    await using target = scriptedOrigin({});
    await using client = createClient();
    const { response, ends } = client.send(target.origin, {}, { signal: () => AbortSignal.abort() });
    expect(await failureOf(response)).toMatchObject({ kind: "aborted", requestSent: false });
    expect(ends).toHaveLength(1);
    expect(target.requests).toHaveLength(0);
  });

  test("in the middle of its upload frees the target and the upload", async () => {
    let isCancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(10)),
      cancel() {
        isCancelled = true;
      },
    });
    await using target = scriptedOrigin({});
    await using client = createClient();
    const { response, abort } = client.send(target.origin, { method: "POST", body: { stream, length: 99 } });
    await until("a part has arrived", () => target.connections[0]?.received().endsWith("\0"));
    abort();
    expect(await failureOf(response)).toMatchObject({ kind: "aborted", requestSent: true });
    await target.connections[0]?.closed;
    expect(isCancelled).toBeTrue();
  });

  test.each(["abort", "cancel"])("in the middle of the body frees the target (%s)", async (how) => {
    await using target = scriptedOrigin({
      onRequest: ({ connection }) => connection.write("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc"),
    });
    await using client = createClient();
    const { response, ends, abort } = client.send(target.origin);
    const body = (await response).body as ReadableStream<Uint8Array>;
    const reader = body.getReader();
    await reader.read();
    if (how === "abort") {
      abort();
      expect(await failureOf(reader.read())).toMatchObject({ kind: "aborted", answerBegun: true });
    } else await reader.cancel();
    expect(ends).toMatchObject([{ kind: "aborted" }]);
    await target.connections[0]?.closed;
  });

  test("after the end disturbs nobody who uses the connection next", async () => {
    await using target = scriptedOrigin({
      onRequest: ({ connection, nth }) => connection.write(nth === 0 ? ok("1") : "HTTP/1.1 200 OK\r\n"),
    });
    await using client = createClient();
    const first = client.send(target.origin);
    await first.response;
    const second = client.send(target.origin);
    await until("it has arrived", () => target.requests.length === 2);
    first.abort();
    target.connections[0]?.write("Content-Length: 1\r\n\r\n2");
    expect(await text(await second.response)).toBe("2");
    expect(first.ends).toEqual([undefined]);
  });
});

test("a hundred exchanges at once, streamed both ways, do not mix", async () => {
  await using target = scriptedOrigin({
    onRequest({ connection, body }) {
      connection.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n`);
      for (const char of body) connection.write(`1\r\n${char}\r\n`);
      connection.write("0\r\n\r\n");
    },
  });
  await using client = createClient();
  const names = Array.from({ length: 100 }, (_, index) => `name-${index}`);
  const echoed = names.map(async (name) => {
    const body = { stream: streamOf([...name]), length: name.length };
    return text(await client.send(target.origin, { method: "POST", body }).response);
  });
  expect(await Promise.all(echoed)).toEqual(names);
});
