// What is counted while a version is judged: first tries alone, by target and split, of all workers together.
import { expect, test } from "bun:test";
import type { Route, Target } from "../../../src/core/route.ts";
import type { TrialCounts } from "../../../src/proxy/trial-counters.ts";
import { freePort } from "../../support/free-port.ts";
import { type PlaneFactory, startPlane, type TestPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { until } from "../../support/until.ts";
import { reply, type Seen, wireOrigin } from "../../support/wire.ts";

const HOSTS = ["api.example.com"];

function judged(targets: readonly Target[], split: string, changes: Parameters<typeof route>[2] = {}): Route {
  return route("api", targets, { hosts: HOSTS, ...changes, trial: { split } });
}

/** Answers with a status, whatever is asked, or by the path. */
function status(request: Seen, of: (path: string) => number): void {
  const code = of(/^\S+ (\S+)/.exec(request.head)?.[1] ?? "");
  const { socket } = request;
  socket.data.isBegun = false;
  socket.data.text = "";
  socket.write(`HTTP/1.1 ${code} As Asked\r\nContent-Length: 0\r\n\r\n`);
}

/** Everything that has been counted, of each target; workers tell theirs every 0.1 s. */
function ledger({ plane }: TestPlane) {
  const sums = new Map<string, Record<string, number>>();
  const visitors = new Map<string, number[]>();
  const take = () => {
    for (const counts of plane.takeTrials()) add(counts);
  };
  function add({ target: id, split, route: _, buckets, visitors: seen, ...counts }: TrialCounts): void {
    const key = `${split} ${id}`;
    const sum = sums.get(key) ?? { timed: 0 };
    sums.set(key, sum);
    for (const [what, count] of Object.entries(counts)) sum[what] = (sum[what] ?? 0) + count;
    sum.timed = (sum.timed ?? 0) + buckets.reduce((all, count) => all + count, 0);
    visitors.set(key, [...(visitors.get(key) ?? []), ...seen]);
  }
  return {
    sums,
    visitors,
    counted: (key: string, expected: Record<string, number>) =>
      until(`${key} is ${JSON.stringify(expected)}`, () => {
        take();
        const sum = sums.get(key) ?? {};
        return Bun.deepMatch(expected, sum) ? sum : undefined;
      }),
  };
}

export function judges(create: PlaneFactory): void {
  async function ask(front: TestPlane, times: number, path = "/", init: RequestInit = {}) {
    const cookies: string[] = [];
    for (let i = 0; i < times; i++) {
      const answer = await front.get("api.example.com", path, init);
      cookies.push(answer.headers.get("set-cookie") ?? "");
      await answer.text();
    }
    return cookies;
  }

  test("counts answers, errors, rejections and times by target, and nothing without a trial", async () => {
    using good = wireOrigin((request) => reply(request, "ok"));
    using bad = wireOrigin((request) => status(request, (path) => (path === "/gone" ? 404 : 500)));
    await using front = await startPlane(create);
    const both = [
      target("api:v1", { weight: 5000, address: good.address }),
      target("api:v2", { weight: 5000, address: bad.address }),
    ];
    await front.plane.publish([route("api", both, { hosts: HOSTS })]);
    await ask(front, 10);
    await front.plane.publish([judged(both, "first")]);
    const books = ledger(front);
    await ask(front, 20);
    await ask(front, 10, "/gone");
    await books.counted("first api:v1", { begun: 15, ended: 15, answers: 15, errors: 0, timed: 15 });
    await books.counted("first api:v2", { begun: 15, answers: 15, errors: 10, rejections: 5, timed: 5 });
    // Another split is counted by itself.
    await front.plane.publish([judged(both, "second", { epoch: 2 })]);
    await ask(front, 10);
    await books.counted("second api:v2", { answers: 5, errors: 5 });
    await books.counted("first api:v2", { answers: 15, errors: 10 });
  });

  test("leaves out retries and requests that name a target; a refused connection is an error of who refused", async () => {
    using good = wireOrigin((request) => reply(request, "ok"));
    await using front = await startPlane(create);
    const closed = { host: "127.0.0.1", port: await freePort() };
    const both = [
      target("api:v1", { weight: 5000, address: good.address }),
      target("api:v2", { weight: 5000, address: closed }),
    ];
    await front.plane.publish([judged(both, "first")]);
    const books = ledger(front);
    await ask(front, 20);
    for (let i = 0; i < 5; i++) await (await front.get("v1.api.example.com")).text();
    await books.counted("first api:v1", { begun: 10, answers: 10, errors: 0 });
    await books.counted("first api:v2", { begun: 10, ended: 10, answers: 10, errors: 10, refused: 10 });
  });

  test("one who leaves is neither an answer nor an error", async () => {
    using slow = wireOrigin(() => {});
    await using front = await startPlane(create);
    await front.plane.publish([judged([target("api:v1", { address: slow.address })], "first")]);
    const books = ledger(front);
    const leaving = new AbortController();
    const asked = front.get("api.example.com", "/", { signal: leaving.signal }).catch(() => "left");
    await books.counted("first api:v1", { begun: 1 });
    leaving.abort();
    expect(await asked).toBe("left");
    await books.counted("first api:v1", { begun: 1, ended: 1, answers: 0, errors: 0 });
  });

  test("an answer that breaks off is an error all the same", async () => {
    using broken = wireOrigin(({ socket }) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
      setTimeout(() => socket.end(), 20);
    });
    await using front = await startPlane(create);
    await front.plane.publish([judged([target("api:v1", { address: broken.address })], "first")]);
    const books = ledger(front);
    const answer = await front.get("api.example.com");
    await answer.text().catch(() => {});
    await books.counted("first api:v1", { answers: 1, errors: 1 });
  });

  test("a visitor that is kept and always fails is one, and only new ones are timed", async () => {
    using bad = wireOrigin((request) => status(request, (path) => (path === "/fails" ? 500 : 200)));
    await using front = await startPlane(create);
    const policy = { sticky: "seen" };
    const only = [target("api:v1", { address: bad.address })];
    await front.plane.publish([judged(only, "first", { policy })]);
    const books = ledger(front);
    const [cookie] = await ask(front, 1, "/fails");
    const headers = { cookie: (cookie ?? "").split(";")[0] ?? "" };
    await ask(front, 5, "/fails", { headers });
    await ask(front, 4, "/", { headers });
    await ask(front, 3);
    await books.counted("first api:v1", { answers: 13, errors: 0, timed: 3 });
    expect(new Set(books.visitors.get("first api:v1")).size).toBe(1);
  });

  test("rescues what a canary fails: its visitors notice nothing, it is charged, and what changes something is left", async () => {
    using good = wireOrigin((request) => reply(request, "good"));
    using bad = wireOrigin((request) => {
      if (request.head.includes("/reset")) request.socket.terminate();
      else status(request, (path) => Number(path.slice(1)));
    });
    await using front = await startPlane(create);
    const both = [
      target("api:v1", { weight: 0, address: good.address }),
      target("api:v2", { weight: 10_000, address: bad.address }),
    ];
    const rescue = { from: ["v2"], to: ["v1"], on500: false };
    await front.plane.publish([{ ...judged(both, ""), trial: { split: "first", rescue } }]);
    const books = ledger(front);
    const ask = async (path: string, method = "GET") => {
      const answer = await front.get("api.example.com", path, { method });
      await answer.text();
      return `${answer.status} ${answer.headers.get("x-ten-instance")}`;
    };
    for (const path of ["/502", "/503", "/504", "/reset"]) expect(await ask(path)).toBe("200 api:v1");
    expect(await ask("/503", "HEAD")).toBe("200 api:v1");
    expect(await ask("/500")).toBe("500 api:v2");
    expect(await ask("/404")).toBe("404 api:v2");
    expect(await ask("/503", "POST")).toBe("503 api:v2");
    await books.counted("first api:v2", { answers: 8, errors: 7, rescued: 5, seen: 2 });
    expect(books.sums.get("first api:v1")).toBeUndefined();
    await front.plane.publish([
      { ...judged(both, ""), trial: { split: "second", rescue: { ...rescue, on500: true } } },
    ]);
    expect(await ask("/500")).toBe("200 api:v1");
  });
}
