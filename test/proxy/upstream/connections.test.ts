// Which connection a request goes over: used again, opened anew, waited for, or refused.
import { describe, expect, test } from "bun:test";
import { Connection } from "../../../src/proxy/upstream/connection.ts";
import { defaultLimits } from "../../../src/proxy/upstream/limits.ts";
import { testCertificate, testServerName } from "../../support/certificate.ts";
import { closingOrigin } from "../../support/closing-origin.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { type Script, scriptedOrigin } from "../../support/scripted-origin.ts";
import { createTempDir } from "../../support/temp-dir.ts";
import { until } from "../../support/until.ts";
import { createClient, failureOf, ok, text } from "./client.ts";

const answering: Script = { onRequest: ({ connection }) => connection.write(ok("x")) };
const post = { method: "POST", body: new Uint8Array(1) };

describe("an idle connection", () => {
  test("is used again, the most recent first", async () => {
    await using target = scriptedOrigin({});
    await using client = createClient();
    const both = [client.send(target.origin), client.send(target.origin)];
    await until("both have arrived", () => target.requests.length === 2);
    const [first, second] = target.requests;
    first?.connection.write(ok("1"));
    await both[target.requests.indexOf(first as never)]?.response;
    second?.connection.write(ok("2"));
    await Promise.all(both.map(({ response }) => response));
    void client.send(target.origin);
    await until("a third has arrived", () => target.requests.length === 3);
    expect(target.requests[2]?.connection).toBe(second?.connection as never);
    expect(target.connections).toHaveLength(2);
  });

  test("is closed after 4 seconds, before a Node backend's own 5", async () => {
    const clock = createManualClock();
    await using target = scriptedOrigin(answering);
    await using client = createClient({ clock });
    await client.send(target.origin).response;
    await clock.advance(3_800);
    await client.send(target.origin).response;
    expect(target.connections).toHaveLength(1);
    await clock.advance(4_100);
    await target.connections[0]?.closed;
    await client.send(target.origin).response;
    expect(target.connections).toHaveLength(2);
  });

  test("is closed earlier when the target announces that it will", async () => {
    const clock = createManualClock();
    await using target = scriptedOrigin({
      onRequest: ({ connection }) => connection.write(ok("x", "Keep-Alive: timeout=2\r\n")),
    });
    await using client = createClient({ clock });
    await client.send(target.origin).response;
    await clock.advance(1_500);
    await client.send(target.origin).response;
    await clock.advance(1_700);
    await target.connections[0]?.closed;
  });

  test("is not kept when the target announces no time at all", async () => {
    await using target = scriptedOrigin({
      onRequest: ({ connection }) => connection.write(ok("x", "Keep-Alive: timeout=0\r\n")),
    });
    await using client = createClient();
    await client.send(target.origin).response;
    await target.connections[0]?.closed;
  });

  test("that has been idle for a second carries no request that must not be sent twice", async () => {
    const clock = createManualClock();
    await using target = scriptedOrigin(answering);
    await using client = createClient({ clock });
    await client.send(target.origin, post).response;
    await clock.advance(900);
    await client.send(target.origin, post).response;
    expect(target.connections).toHaveLength(1);
    await clock.advance(1_100);
    await client.send(target.origin, { method: "PUT", body: new Uint8Array(1) }).response;
    expect(target.connections).toHaveLength(1);
    await clock.advance(1_100);
    await client.send(target.origin, post).response;
    expect(target.connections).toHaveLength(2);
  });

  test("is closed when others need its descriptor, if it has been idle for a second", async () => {
    const clock = createManualClock();
    await using older = scriptedOrigin(answering);
    await using newer = scriptedOrigin(answering);
    await using client = createClient({ clock });
    const all = [older, older, newer].map(({ origin }) => client.send(origin));
    await Promise.all(all.map(({ response }) => response));
    expect(client.upstream.closeIdle(10)).toBe(0);
    await clock.advance(1_000);
    await client.send(newer.origin).response;
    expect(client.upstream.closeIdle(1)).toBe(1);
    await Promise.race(older.connections.map(({ closed }) => closed));
    expect(client.upstream.closeIdle(10)).toBe(1);
    await Promise.all(older.connections.map(({ closed }) => closed));
    await client.send(newer.origin).response;
    expect(newer.connections).toHaveLength(1);
  });

  test("is closed at once when its origin is no longer retained", async () => {
    await using kept = scriptedOrigin(answering);
    await using gone = scriptedOrigin(answering);
    await using client = createClient();
    await Promise.all([client.send(kept.origin).response, client.send(gone.origin).response]);
    client.upstream.retain([kept.origin]);
    await gone.connections[0]?.closed;
    await client.send(kept.origin).response;
    expect(kept.connections).toHaveLength(1);
  });
});

test("an exchange of an origin that is no longer retained goes on, and its connection is closed behind it", async () => {
  await using target = scriptedOrigin({
    onRequest: ({ connection }) => connection.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na"),
  });
  await using client = createClient();
  const answered = await client.send(target.origin).response;
  client.upstream.retain([]);
  target.connections[0]?.write("b");
  expect(await text(answered)).toBe("ab");
  await target.connections[0]?.closed;
});

describe("a target that closes its idle connections", () => {
  test.each([
    ["at once", 1],
    ["after three requests", 3],
  ])("%s loses no request and sees none twice", async (_, most) => {
    let seen = 0;
    await using target = scriptedOrigin({
      onRequest({ connection, nth }) {
        seen += 1;
        connection.write(ok("x"));
        if (nth + 1 === most) connection.end();
      },
    });
    await using client = createClient();
    for (let count = 0; count < 60; count++) {
      const { response } = client.send(target.origin, count % 2 === 0 ? post : {});
      expect((await response).status).toBe(200);
    }
    expect(seen).toBe(60);
  });

  test.each(["GET", "POST"])(
    "just before a %s, unseen by the event loop, costs nothing but a connection",
    async (method) => {
      using closing = await closingOrigin();
      await using client = createClient();
      await client.send(closing.origin, { method }).response;
      closing.blockUntilClosed();
      expect((await client.send(closing.origin, { method }).response).status).toBe(200);
    },
  );

  test("after a while teaches how long one may carry what must not be sent twice", async () => {
    const clock = createManualClock();
    await using target = scriptedOrigin(answering);
    await using client = createClient({ clock });
    const idleThenPost = async (idleMs: number) => {
      await clock.advance(idleMs);
      await client.send(target.origin, post).response;
      return target.connections.length;
    };
    expect(await idleThenPost(0)).toBe(1);
    await clock.advance(100);
    target.connections[0]?.end();
    await target.connections[0]?.closed;
    expect(await idleThenPost(0)).toBe(2);
    expect(await idleThenPost(40)).toBe(2);
    expect(await idleThenPost(60)).toBe(3);
    await client.send(target.origin).response;
    await clock.advance(40_000);
    expect(await idleThenPost(0)).toBe(4);
    expect(await idleThenPost(60)).toBe(4);
  });

  test("in the moment a request is under way is told apart from a dead target", async () => {
    await using target = scriptedOrigin({
      onRequest({ connection, nth }) {
        if (nth === 0) connection.write(ok("x"));
        else connection.end();
      },
    });
    await using client = createClient();
    await client.send(target.origin).response;
    expect(await failureOf(client.send(target.origin).response)).toMatchObject({
      kind: "reset",
      requestSent: true,
      answerBegun: false,
      reused: true,
    });
  });
});

test("an idle connection that receives bytes nobody asked for is never used again", async () => {
  await using target = scriptedOrigin(answering);
  await using client = createClient();
  await client.send(target.origin).response;
  target.connections[0]?.write(ok("poison"));
  await target.connections[0]?.closed;
  expect(await text(await client.send(target.origin).response)).toBe("x");
});

describe("beyond the bound", () => {
  test("requests wait in their order", async () => {
    await using target = scriptedOrigin({});
    await using client = createClient({ limits: { maxInFlight: 2 } });
    const sent = [0, 1, 2, 3, 4].map((index) => client.send(target.origin, { path: `/${index}` }));
    await until("two have arrived", () => target.requests.length === 2);
    for (let count = 0; count < 5; count++) {
      await until("the next has arrived", () => target.requests.length > count);
      target.requests[count]?.connection.write(ok(""));
    }
    await Promise.all(sent.map(({ response }) => response));
    expect(target.requests.slice(2).map(({ head }) => head.split(" ")[1])).toEqual(["/2", "/3", "/4"]);
    expect(target.connections).toHaveLength(2);
  });

  test("they fail as busy at the connect deadline, and the next one has its turn", async () => {
    const clock = createManualClock();
    await using target = scriptedOrigin({});
    await using client = createClient({ clock, limits: { maxInFlight: 1 } });
    const first = client.send(target.origin);
    await until("one has arrived", () => target.requests.length === 1);
    const late = client.send(target.origin, {}, { connectTimeoutMs: 500 });
    const patient = client.send(target.origin, {}, { connectTimeoutMs: 5_000 });
    await clock.advance(600);
    expect(await failureOf(late.response)).toMatchObject({ kind: "busy", requestSent: false });
    expect(late.ends).toHaveLength(1);
    target.requests[0]?.connection.write(ok("1"));
    await first.response;
    await until("the patient one has arrived", () => target.requests.length === 2);
    target.requests[1]?.connection.write(ok("2"));
    expect(await text(await patient.response)).toBe("2");
  });

  test("the queue has an end, too", async () => {
    await using target = scriptedOrigin({});
    await using client = createClient({ limits: { maxInFlight: 1, maxWaiting: 1 } });
    const [, waiting, refused] = [0, 1, 2].map(() => client.send(target.origin));
    if (refused === undefined || waiting === undefined) throw new Error("unreachable");
    expect(await failureOf(refused.response)).toMatchObject({ kind: "busy", requestSent: false });
    waiting.abort();
    expect(await failureOf(waiting.response)).toMatchObject({ kind: "aborted", requestSent: false });
  });

  test("an end of any kind makes room", async () => {
    await using target = scriptedOrigin({});
    await using client = createClient({ limits: { maxInFlight: 1 } });
    const aborted = client.send(target.origin);
    const reset = client.send(target.origin);
    const answered = client.send(target.origin);
    await until("one has arrived", () => target.requests.length === 1);
    aborted.abort();
    await until("another has arrived", () => target.requests.length === 2);
    target.requests[1]?.connection.reset();
    await failureOf(reset.response);
    await until("the last has arrived", () => target.requests.length === 3);
    target.requests[2]?.connection.write(ok("x"));
    expect(await text(await answered.response)).toBe("x");
  });
});

describe("no connection", () => {
  test("where nobody listens: refused, on a port and on a socket", async () => {
    using dir = createTempDir();
    const target = scriptedOrigin({});
    await target[Symbol.asyncDispose]();
    await using client = createClient();
    for (const origin of [target.origin, { ...target.origin, unix: dir.file("none.sock") }]) {
      const { response, ends } = client.send(origin, post);
      const failure = await failureOf(response);
      expect(failure).toMatchObject({ kind: "refused", requestSent: false, answerBegun: false });
      expect(ends).toEqual([failure]);
    }
  });
  test("to a name that does not exist: unresolved", async () => {
    await using client = createClient();
    const failure = await failureOf(client.send({ host: "none.invalid", port: 80 }).response);
    expect(failure).toMatchObject({ kind: "unresolved", requestSent: false });
  });
  test("to a port that cannot be: refused", async () => {
    await using client = createClient();
    const failure = await failureOf(client.send({ host: "127.0.0.1", port: 99_999 }).response);
    expect(failure).toMatchObject({ kind: "refused", requestSent: false });
  });
  test("a body that was not sent is still whole", async () => {
    await using client = createClient();
    const stream = new Response("kept").body as ReadableStream<Uint8Array>;
    await failureOf(
      client.send({ host: "127.0.0.1", port: 1 }, { method: "POST", body: { stream, length: 4 } }).response,
    );
    expect(stream.locked).toBeFalse();
    expect(await new Response(stream).text()).toBe("kept");
  });
});

test("what the kernel does not take at once is copied: its buffer may be used again", async () => {
  await using target = scriptedOrigin({});
  const opened = Promise.withResolvers<Connection>();
  const owner = { onOpened: opened.resolve, onUnopened() {}, onLost() {} };
  new Connection(owner, defaultLimits.idleMs).connect(target.origin);
  const connection = await opened.promise;
  const bytes = Buffer.alloc(20_000_000, "a");
  expect(connection.write(bytes, 0, bytes.length)).toBe(true);
  expect(connection.flushed).toBe(false);
  bytes.fill("b");
  await until("all has arrived", () => target.connections[0]?.received().length === bytes.length);
  expect(target.connections[0]?.received().indexOf("b")).toBe(-1);
  connection.close();
});

test("a unix socket carries requests like any other", async () => {
  using dir = createTempDir();
  await using target = scriptedOrigin(answering, { unix: dir.file("origin.sock") });
  await using client = createClient();
  for (let count = 0; count < 3; count++)
    expect(await text(await client.send(target.origin, post).response)).toBe("x");
  expect(target.connections).toHaveLength(1);
});

describe("over TLS", () => {
  const tls = { serverName: testServerName, ca: testCertificate };

  test("requests go to a server whose name and certificate fit, and its connection is used again", async () => {
    await using target = scriptedOrigin(answering, { tls: true });
    await using client = createClient();
    const origin = { ...target.origin, tls };
    for (let count = 0; count < 3; count++) {
      expect(await text(await client.send(origin, post).response)).toBe("x");
    }
    expect(target.connections).toHaveLength(1);
  });

  test("large bodies pass both ways", async () => {
    const body = Buffer.alloc(3_000_000, "x");
    await using target = scriptedOrigin(
      { onRequest: ({ connection, body: seen }) => connection.write(ok(seen)) },
      { tls: true },
    );
    await using client = createClient();
    const answered = await client.send({ ...target.origin, tls }, { method: "POST", body }).response;
    expect((await text(answered))?.length).toBe(3_000_000);
  });

  test.each([
    ["another name", { serverName: "other.test", ca: testCertificate }],
    ["an unknown authority", { serverName: testServerName }],
  ])("a server with %s gets no byte of the request", async (_, wrong) => {
    await using target = scriptedOrigin(answering, { tls: true });
    await using client = createClient();
    expect(await failureOf(client.send({ ...target.origin, tls: wrong }).response)).toMatchObject({
      kind: "tls",
      requestSent: false,
    });
    expect(target.requests).toEqual([]);
  });

  test("a server that does not speak TLS is a tls failure", async () => {
    await using target = scriptedOrigin({
      onData: (connection) => connection.write("HTTP/1.1 400 Bad\r\n\r\n"),
    });
    await using client = createClient();
    expect(await failureOf(client.send({ ...target.origin, tls }).response)).toMatchObject({ kind: "tls" });
  });

  test("a handshake that never ends is a connect timeout", async () => {
    const clock = createManualClock();
    await using target = scriptedOrigin({});
    await using client = createClient({ clock });
    const { response } = client.send({ ...target.origin, tls }, {}, { connectTimeoutMs: 300 });
    await until("it is connected", () => target.connections.length === 1);
    await clock.advance(400);
    expect(await failureOf(response)).toMatchObject({ kind: "connect_timeout", requestSent: false });
    await target.connections[0]?.closed;
  });
});

test("a closed client ends what is in flight, closes what is idle, and takes nothing more", async () => {
  await using target = scriptedOrigin({
    onRequest: ({ connection, head }) => void (head.startsWith("GET /idle") && connection.write(ok(""))),
  });
  const client = createClient({ limits: { maxInFlight: 2 } });
  await client.send(target.origin, { path: "/idle" }).response;
  const sent = [0, 1, 2].map(() => client.send(target.origin));
  await until("two have arrived", () => target.requests.length === 3);
  await client[Symbol.asyncDispose]();
  for (const { response, ends } of [...sent, client.send(target.origin)]) {
    const failure = await failureOf(response);
    expect(failure).toMatchObject({ kind: "aborted" });
    expect(ends).toEqual([failure]);
  }
  await Promise.all(target.connections.map(({ closed }) => closed));
});
