// Copies of requests: what they are, who gets them, and that no visitor knows of them.
import { expect, test } from "bun:test";
import type { Route, Shadow, Target } from "../../../src/core/route.ts";
import { addShadows, noShadows, type ShadowCounts } from "../../../src/core/shadow/shadow-counts.ts";
import { type PlaneFactory, startPlane, type TestPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { until } from "../../support/until.ts";
import { reply, type Seen, type WireOrigin, wireOrigin } from "../../support/wire.ts";

const HOST = "api.example.com";
const FIELDS = {
  target: "X-Ten-Instance",
  attempts: "X-Ten-Attempts",
  error: "X-Ten-Error",
  passed: "X-Ten-Passed",
  selector: "X-Tenement-Instance",
  shadow: "X-Ten-Shadow",
};
const ALL: Shadow = { run: "first", from: ["v1"], to: ["v2"], sample: 1, withCookies: false };

const isCopy = ({ head }: Seen) => /\r\nx-ten-shadow: 1\r\n/i.test(head);

function answer(request: Seen, status: number, type: string, body: string): void {
  const { socket } = request;
  socket.data.isBegun = false;
  socket.data.text = "";
  socket.write(
    `HTTP/1.1 ${status} As Asked\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}

function shadowed(targets: readonly Target[], shadow: Shadow | undefined): Route {
  return route("api", targets, { hosts: [HOST], shadow });
}

function versions(v1: WireOrigin, v2: WireOrigin): Target[] {
  return [
    target("api:v1", { weight: 10_000, address: v1.address }),
    target("api:v2", { weight: 0, address: v2.address }),
  ];
}

/** All that has been counted of a run; workers tell theirs every 0.1 s. */
function ledger({ plane }: TestPlane, run: string) {
  let sum: ShadowCounts = noShadows("api", run);
  const take = () => {
    for (const counts of plane.takeShadows()) if (counts.run === run) sum = addShadows(sum, counts);
    return sum;
  };
  return {
    take,
    pairs: (count: number) => until(`${count} pairs`, () => (take().pairs >= count ? sum : undefined)),
  };
}

export function shadows(create: PlaneFactory): void {
  test("copies what has been answered, one to each version, without who asked, and counts how they differ", async () => {
    using v1 = wireOrigin((request) => answer(request, 200, "application/json", '{"total":1}'));
    using v2 = wireOrigin((request) => answer(request, 200, "application/json", '{"total":"1"}'));
    await using front = await startPlane(create, { fields: FIELDS });
    await front.plane.publish([shadowed(versions(v1, v2), ALL)]);
    const books = ledger(front, "first");
    const headers = {
      cookie: "session=1",
      authorization: "Basic eDp5",
      "if-none-match": '"1"',
      "x-ten-shadow": "forged",
      accept: "application/json",
    };
    for (let n = 0; n < 4; n++) {
      const seen = await front.get(HOST, `/orders/${100 + n}?full=1`, { headers });
      expect([seen.status, await seen.text(), seen.headers.get("x-ten-instance")]).toEqual([
        200,
        '{"total":1}',
        "api:v1",
      ]);
      await books.pairs(n + 1);
    }
    const { failed, rejected, patterns } = books.take();
    expect([failed, rejected]).toEqual([
      { canary: 0, stable: 0 },
      { canary: 0, stable: 0 },
    ]);
    expect(patterns).toEqual([
      expect.objectContaining({
        pattern: "GET /orders/:id",
        pairs: 4,
        differing: 4,
        differences: [[".total: number -> string", 4]],
      }),
    ]);
    // The visitors' own, and a copy of each.
    expect([v1.seen.length, v2.seen.length]).toEqual([8, 4]);
    const own = v1.seen.filter((request) => !isCopy(request));
    expect(own.length).toBe(4);
    for (const { head } of own) {
      expect(head).toContain("session=1");
      expect(head.toLowerCase()).not.toContain("forged");
      expect(head.toLowerCase()).not.toContain("x-ten-shadow");
    }
    for (const { head } of [...v1.seen.filter(isCopy), ...v2.seen]) {
      expect(head).toMatch(/^GET \/orders\/\d+\?full=1 HTTP\/1\.1\r\n/);
      expect(head.toLowerCase()).toContain("host: api.example.com");
      expect(head).not.toMatch(/session=1|eDp5|if-none-match|forged/i);
      expect(head.toLowerCase()).toContain("x-forwarded-for: ");
    }
  });

  test("tells who failed alone, and charges nobody for what both fail", async () => {
    const of = (path: string, version: string) => {
      if (path === "/both") return 500;
      if (path === "/new" && version === "v2") return 503;
      if (path === "/old" && version === "v1") return 500;
      return path === "/who" && version === "v2" ? 401 : 200;
    };
    const origin = (version: string) =>
      wireOrigin((request) =>
        answer(request, of(/^\S+ (\S+)/.exec(request.head)?.[1] ?? "", version), "text/plain", "x"),
      );
    using v1 = origin("v1");
    using v2 = origin("v2");
    await using front = await startPlane(create, { fields: FIELDS });
    await front.plane.publish([shadowed(versions(v1, v2), ALL)]);
    const books = ledger(front, "first");
    for (const [n, path] of ["/both", "/new", "/old", "/who", "/fine"].entries()) {
      await (await front.get(HOST, path)).text();
      await books.pairs(n + 1);
    }
    const { failed, rejected, patterns } = books.take();
    expect(failed).toEqual({ canary: 1, stable: 1 });
    expect(rejected).toEqual({ canary: 1, stable: 0 });
    expect(Object.fromEntries(patterns.map((one) => [one.pattern, one.differences[0]?.[0]]))).toEqual({
      "GET /both": undefined,
      "GET /new": "status 200 -> 503",
      "GET /old": "status 500 -> 200",
      "GET /who": "status 200 -> 401",
      "GET /fine": undefined,
    });
  });

  test("with the visitor's cookie where that is said; never what changes something or names a target", async () => {
    using v1 = wireOrigin((request) => reply(request, "one"));
    using v2 = wireOrigin((request) => reply(request, "two"));
    await using front = await startPlane(create, { fields: FIELDS });
    await front.plane.publish([shadowed(versions(v1, v2), { ...ALL, withCookies: true })]);
    const books = ledger(front, "first");
    await (await front.get(HOST, "/", { method: "POST", body: "x" })).text();
    await (await front.get(HOST, "/", { method: "DELETE" })).text();
    await (await front.get("v1.api.example.com", "/")).text();
    await (await front.get(HOST, "/stream", { headers: { accept: "text/event-stream" } })).text();
    await (await front.get(HOST, "/head", { method: "HEAD" })).text();
    await books.pairs(1);
    await (await front.get(HOST, "/", { headers: { cookie: "session=2" } })).text();
    const { patterns } = await books.pairs(2);
    expect(patterns.map(({ pattern }) => pattern).sort()).toEqual(["GET /", "HEAD /head"]);
    expect(v2.seen.length).toBe(2);
    expect(v2.seen[1]?.head).toContain("session=2");
  });

  test("a visitor waits for no copy, few are under way at once, and what was drawn beyond them is said", async () => {
    using v1 = wireOrigin((request) => reply(request, "one"));
    const held: Seen[] = [];
    using v2 = wireOrigin((request) => void held.push(request));
    await using front = await startPlane(create, { fields: FIELDS });
    await front.plane.publish([shadowed(versions(v1, v2), ALL)]);
    const books = ledger(front, "first");
    for (let n = 0; n < 60; n++) expect(await (await front.get(HOST, "/")).text()).toBe("one");
    await until("some were not copied", () => books.take().skipped > 0);
    // Of each worker.
    expect(held.length).toBeLessThanOrEqual(16);
    expect(books.take().pairs).toBe(0);
    // Once they have ended, others are copied.
    const answered = setInterval(() => {
      for (const request of held.splice(0)) reply(request, "two");
    }, 5);
    await books.pairs(8);
    clearInterval(answered);
  });

  test("what ends with the copies, or with a target, counts for nobody", async () => {
    using v1 = wireOrigin((request) => reply(request, "one"));
    let held: Seen | undefined;
    using v2 = wireOrigin((request) => {
      held = request;
    });
    await using front = await startPlane(create, { fields: FIELDS });
    const both = versions(v1, v2);
    const books = ledger(front, "first");
    await front.plane.publish([shadowed(both, ALL)]);
    await (await front.get(HOST, "/")).text();
    await until("a copy is under way", () => held);
    // It is started again elsewhere.
    const moved = both.map((one) =>
      one.label === "v2" ? { ...one, address: { ...one.address, port: 1 } } : one,
    );
    await front.plane.publish([shadowed(moved, ALL)]);
    held?.socket.end();
    await front.plane.publish([shadowed(both, undefined)]);
    await (await front.get(HOST, "/")).text();
    await front.plane.publish([shadowed(both, { ...ALL, run: "second" })]);
    const second = ledger(front, "second");
    held = undefined;
    await (await front.get(HOST, "/")).text();
    const again = await until("the next is under way", () => held);
    reply(again, "two");
    await second.pairs(1);
    expect(books.take().pairs).toBe(0);
  });

  test("bodies of any length and framing", async () => {
    const big = JSON.stringify({ list: Array.from({ length: 9_000 }, (_, n) => ({ n })) });
    const chunked = ({ socket, head }: Seen) => {
      socket.data.isBegun = false;
      socket.data.text = "";
      const body = head.includes("/big") ? big : '{"a":1}';
      socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
      socket.write(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
    };
    using v1 = wireOrigin(chunked);
    using v2 = wireOrigin((request) => {
      if (request.head.includes("/big")) chunked(request);
      else answer(request, 200, "application/json", '{"a":"1"}');
    });
    await using front = await startPlane(create, { fields: FIELDS });
    await front.plane.publish([shadowed(versions(v1, v2), ALL)]);
    const books = ledger(front, "first");
    expect((await (await front.get(HOST, "/big")).text()).length).toBe(big.length);
    await books.pairs(1);
    await (await front.get(HOST, "/small")).text();
    await books.pairs(2);
    const found = new Map(books.take().patterns.map((one) => [one.pattern, one]));
    expect(found.get("GET /big")).toMatchObject({ differing: 0, bytes: { canary: big.length } });
    expect(found.get("GET /small")?.differences).toEqual([[".a: number -> string", 1]]);
  });
}
