// What one visitor and all together may hold, in time and in sum, with a clock moved by hand.
import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { RequestRules } from "../../../src/core/http1/request-rules.ts";
import { NO_ACCEPT_GUARD } from "../../../src/platform/net/accept-guard.ts";
import type { DataPlaneOptions } from "../../../src/proxy/data-plane.ts";
import { ClientShares, type Counted, DEFAULT_LIMITS, shareOf } from "../../../src/proxy/front/gate.ts";
import { createInProcessPlane } from "../../../src/proxy/front/in-process.ts";
import { createListener } from "../../../src/proxy/front/listener.ts";
import { Notices } from "../../../src/proxy/front/notices.ts";
import { createUpstream } from "../../../src/proxy/upstream/upstream.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { startPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { until } from "../../support/until.ts";
import { fieldOf, reply, type Seen, wireClient, wireOrigin } from "../../support/wire.ts";

async function limited(
  script: (request: Seen) => void,
  limits: DataPlaneOptions["limits"] = {},
  more: Partial<DataPlaneOptions> = {},
) {
  const clock = createManualClock();
  const notices: string[] = [];
  const origin = wireOrigin(script);
  const front = await startPlane(
    (options) =>
      createInProcessPlane(
        { ...options, limits, hooks: { ...options.hooks, onNotice: (text) => void notices.push(text) } },
        createUpstream({ clock }),
      ),
    { clock, ...more },
  );
  await front.plane.publish([
    route("api", [target("api:v1", { address: origin.address })], {
      hosts: ["api.example.com"],
      policy: { requestTimeoutMs: 0, streamIdleTimeoutMs: 0 },
    }),
  ]);
  return {
    ...front,
    clock,
    notices,
    origin,
    send: (bytes: string) => wireClient(front.plane.url, bytes),
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]();
      origin[Symbol.dispose]();
    },
  };
}

const HEAD = "HTTP/1.1\r\nHost: api.example.com\r\n";

test("a head that drips in is 408 after ten seconds, however it drips", async () => {
  await using front = await limited(() => {});
  using client = await front.send("GET / HT");
  for (let second = 0; second < 9; second++) {
    client.write("T");
    await front.clock.advance(1_000);
  }
  expect(client.text()).toBe("");
  await front.clock.advance(3_000);
  expect(await client.until((text) => text.includes("\r\n\r\n"))).toStartWith("HTTP/1.1 408 ");
  expect(await client.closed).toBe("closed");
});

test("a body slower than 240 bytes a second is 408, and its target is not to blame", async () => {
  await using front = await limited(() => {});
  using client = await front.send(`POST / ${HEAD}Content-Length: 100000\r\n\r\n`);
  await until("it is there", () => front.origin.seen.length === 1);
  for (let second = 0; second < 6; second++) {
    client.write("x".repeat(100));
    await until("it has come", () => front.origin.seen[0]?.body().length === 100 * (second + 1));
    await front.clock.advance(1_000);
  }
  expect(await client.until((text) => text.includes("\r\n\r\n"))).toStartWith("HTTP/1.1 408 ");
  expect(front.trouble).toEqual([]);
  await front.counted({ inFlight: 0, failures: 0 });
});

test("one that is fast enough may take as long as it likes", async () => {
  await using front = await limited(() => {});
  using client = await front.send(`POST / ${HEAD}Content-Length: 100000\r\n\r\n`);
  for (let second = 1; second <= 10; second++) {
    client.write("x".repeat(500));
    await until("it has come", () => front.origin.seen[0]?.body().length === 500 * second);
    await front.clock.advance(1_000);
  }
  expect(client.text()).toBe("");
});

test("a body for an own host holds no connection either", async () => {
  await using front = await limited(() => {});
  using client = await front.send(
    "POST /api/deploy HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10\r\n\r\nabc",
  );
  await front.clock.advance(7_000);
  expect(await client.until((text) => text.includes("\r\n\r\n"))).toStartWith("HTTP/1.1 408 ");
});

test("an idle connection is closed after two minutes", async () => {
  await using front = await limited((request) => reply(request, "ok"));
  using client = await front.send(`GET / ${HEAD}\r\n`);
  await client.until((text) => text.endsWith("ok"));
  await front.clock.advance(118_000);
  client.write(`GET / ${HEAD}\r\n`);
  await client.until((text) => text.match(/200 OK/g)?.length === 2);
  await front.clock.advance(122_000);
  await client.closed;
});

test("a client has so many requests in flight, by the address that a trusted proxy names", async () => {
  const trusted = { trustedProxies: ["127.0.0.0/8"] };
  await using front = await limited(() => {}, { maxClientRequests: 2 }, trusted);
  const ask = (from: string) => front.send(`GET / ${HEAD}X-Forwarded-For: ${from}\r\n\r\n`);
  using first = await ask("203.0.113.7");
  using _second = await ask("203.0.113.7");
  await until("both are there", () => front.origin.seen.length === 2);
  using third = await ask("203.0.113.7");
  const answer = await third.until((text) => text.includes("\r\n\r\n"));
  expect(answer).toStartWith("HTTP/1.1 429 ");
  expect(fieldOf(answer, "retry-after")).toBe("1");
  expect(front.notices).toEqual(["203.0.113.7 has too many requests open: more are refused (429)"]);
  using _other = await ask("203.0.113.8");
  await until("another's is there", () => front.origin.seen.length === 3);
  const [seen] = front.origin.seen;
  if (seen) reply(seen, "ok");
  await first.until((text) => text.endsWith("ok"));
  using _next = await ask("203.0.113.7");
  await until("there is room again", () => front.origin.seen.length === 4);
});

test("all together hold so many bytes: the largest is cut first", async () => {
  await using front = await limited(() => {}, { heldBytes: 100_000 });
  const body = `POST / ${HEAD}Content-Length: 60000\r\n\r\n`;
  using small = await front.send(body + "x".repeat(1_000));
  using large = await front.send(body + "x".repeat(59_000));
  using larger = await front.send(body + "x".repeat(59_500));
  await until("all are held", async () => {
    await front.clock.advance(1_000);
    return front.notices.length > 0;
  });
  expect(await larger.closed).toBe("reset");
  small.write("x".repeat(59_000));
  large.write("x".repeat(1_000));
  await until("the others go on", () => front.origin.seen.length === 2);
});

describe("who counts as one", () => {
  test.each([
    ["203.0.113.7", "203.0.113.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["::1:2:3:4:5", "0:0:0:1::/64"],
  ])("%s: %s", (address, share) => expect(shareOf(address)).toBe(share));

  test("what has ended is not counted, and kinds are counted apart", () => {
    const shares = new ClientShares({ ...DEFAULT_LIMITS, maxClientRequests: 2, maxClientStreams: 1 });
    const enter = (who: string, what: Counted) => shares.enter(shares.of(who), what);
    expect(["a", "a", "a", "b"].map((who) => enter(who, "requests"))).toEqual([true, true, false, true]);
    expect([enter("a", "streams"), enter("a", "streams")]).toEqual([true, false]);
    shares.leave(shares.of("a"), "requests");
    expect(enter("a", "requests")).toBe(true);
  });
});

const UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

test("a client has so many upgraded connections, apart from its requests, until each is closed", async () => {
  const trusted = { trustedProxies: ["127.0.0.0/8"] };
  await using front = await limited(
    (request) => {
      if (/^upgrade:/im.test(request.head))
        request.socket.write(
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        );
      else reply(request, "ok");
    },
    { maxClientRequests: 1, maxClientStreams: 2 },
    trusted,
  );
  const ask = (more: string) => front.send(`GET / ${HEAD}X-Forwarded-For: 203.0.113.7\r\n${more}\r\n`);
  const opened = async (client: { until(is: (text: string) => boolean): Promise<string> }) =>
    (await client.until((text) => text.includes("\r\n\r\n"))).split(" ")[1];
  using first = await ask(UPGRADE);
  using second = await ask(UPGRADE);
  expect([await opened(first), await opened(second)]).toEqual(["101", "101"]);
  using third = await ask(UPGRADE);
  expect(await opened(third)).toBe("429");
  expect(front.notices).toEqual([
    "203.0.113.7 has too many upgraded connections open: more are refused (429)",
  ]);
  using plain = await ask("");
  expect(await opened(plain)).toBe("200");
  first[Symbol.dispose]();
  await until("there is room again", async () => {
    using next = await ask(UPGRADE);
    return (await opened(next)) === "101";
  });
});

test("a connection that is served elsewhere, as of HTTP/2, is one of its peer's, and its bytes are of all", async () => {
  const clock = createManualClock();
  const told: string[] = [];
  const notices = new Notices(clock, (text) => void told.push(text));
  const listener = createListener({
    listening: { host: "127.0.0.1", port: 0, reusePort: false },
    clock,
    limits: { ...DEFAULT_LIMITS, maxClientConnections: 2, heldBytes: 1_000 },
    guard: NO_ACCEPT_GUARD,
    notices,
    isTrusted: () => false,
    rulesFor: () => new RequestRules({ passed: "x-passed", overwritten: [], claims: "none" }),
    handle: () => undefined,
    onDefect() {},
  });
  const cut: number[] = [];
  const holder = (heldBytes: number) => {
    const one = {
      peer: "203.0.113.7",
      heldBytes,
      isIdle: false,
      silentSecs: 0,
      closeIdle() {},
      cut() {
        cut.push(heldBytes);
        listener.letGo(one);
      },
    };
    return one;
  };
  const [small, large] = [holder(400), holder(700)];
  expect([small, large, holder(1)].map((one) => listener.hold(one, 9, undefined))).toEqual([
    true,
    true,
    false,
  ]);
  await clock.advance(1_000);
  expect(cut).toEqual([700]);
  expect(listener.hold(holder(2), 9, undefined)).toBe(true);
  expect(told).toEqual([
    "203.0.113.7 has too many connections: new ones are closed",
    "a connection of 203.0.113.7 is cut: all together hold too many bytes",
  ]);
  await listener.close(0);
});

describe("an answer that waits for its visitor", () => {
  const LONG = Buffer.alloc(50_000_000, 120);

  /** Asks for more than kernels hold, and reads nothing. */
  async function stalled(limits: DataPlaneOptions["limits"] = {}) {
    const front = await limited(() => {}, limits);
    const origin = Bun.serve({ port: 0, development: false, fetch: () => new Response(LONG) });
    const address = { host: "127.0.0.1", port: origin.port ?? 0 };
    await front.plane.publish([
      route("api", [target("api:v1", { address })], {
        hosts: ["api.example.com"],
        policy: { requestTimeoutMs: 0, streamIdleTimeoutMs: 0 },
      }),
    ]);
    const socket = connect({ port: Number(front.plane.url.port), host: "127.0.0.1" });
    socket.on("error", () => {});
    let bytes = 0;
    socket.on("data", (piece) => {
      bytes += piece.length;
    });
    const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
    socket.write(`GET / ${HEAD}\r\n`);
    await until("it comes", () => bytes > 0);
    socket.pause();
    await until("it waits", () => front.plane.busy().length === 1 && socket.isPaused());
    // Nothing moves any more once the kernels are full.
    await front.clock.advance(1_000);
    return {
      ...front,
      socket,
      closed,
      async [Symbol.asyncDispose]() {
        socket.destroy();
        await front[Symbol.asyncDispose]();
        await origin.stop(true);
      },
    };
  }

  test("is cut when next to nothing of it is taken in half a minute, and the operator is told", async () => {
    await using front = await stalled();
    await until("it is cut", async () => {
      await front.clock.advance(1_000);
      return front.notices.length > 0;
    });
    expect(front.notices).toEqual([
      "a connection of 127.0.0.1 is cut: it took less than 240 bytes a second of what it had asked for",
    ]);
    front.socket.resume();
    await front.closed;
    await front.counted({ inFlight: 0 });
    expect(front.trouble).toEqual([]);
  });

  test("waits as long as it is taken at all, or where nothing is asked for", async () => {
    await using front = await stalled({ minReadRate: 0 });
    await front.clock.advance(100_000);
    expect(front.notices).toEqual([]);
    await using read = await stalled();
    for (let half = 0; half < 4; half++) {
      let more = 0;
      const count = (piece: Buffer) => {
        more += piece.length;
        if (more > 1_000_000) read.socket.pause();
      };
      read.socket.on("data", count);
      read.socket.resume();
      await until("a part is taken", () => more > 1_000_000);
      read.socket.off("data", count);
      await read.clock.advance(20_000);
    }
    expect(read.notices).toEqual([]);
  });
});
