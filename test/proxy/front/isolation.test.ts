// A target that hangs costs the others nothing, and holds at most 1,024 requests.
import { expect, test } from "bun:test";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { createInProcessPlane } from "../../../src/proxy/front/in-process.ts";
import { createUpstream } from "../../../src/proxy/upstream/upstream.ts";
import { startPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { until } from "../../support/until.ts";
import { reply, type Seen, type WireClient, wireClient, wireOrigin } from "../../support/wire.ts";

const IN_FLIGHT = 1_024;
const HANGING = 300;

/** Two services: `stuck` answers only when it is told to, `quick` at once. */
async function twoServices() {
  const held: Seen[] = [];
  const stuck = wireOrigin((request) => void held.push(request));
  const quick = wireOrigin((request) => reply(request, "ok"));
  const front = await startPlane((options) =>
    createInProcessPlane(options, createUpstream({ clock: systemClock })),
  );
  await front.plane.publish([
    route("stuck", [target("stuck:v1", { address: stuck.address })], { hosts: ["stuck.example.com"] }),
    route("quick", [target("quick:v1", { address: quick.address })], { hosts: ["quick.example.com"] }),
  ]);
  const clients: WireClient[] = [];
  return {
    held,
    get: front.get,
    inFlight: (id: string) => front.plane.traffic().find((one) => one.id === id)?.inFlight ?? 0,
    async hang(count: number) {
      for (let i = 0; i < count; i++) {
        clients.push(await wireClient(front.plane.url, "GET / HTTP/1.1\r\nHost: stuck.example.com\r\n\r\n"));
      }
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client[Symbol.dispose]();
      await front[Symbol.asyncDispose]();
      stuck[Symbol.dispose]();
      quick[Symbol.dispose]();
    },
  };
}

test("a target holds 1,024 requests; the next gets its turn when one ends, or 503 when none does", async () => {
  await using both = await twoServices();
  await both.hang(IN_FLIGHT);
  await until("all are held", () => both.held.length === IN_FLIGHT);
  const next = both.get("stuck.example.com");
  await until("one more waits", () => both.inFlight("stuck:v1") === IN_FLIGHT + 1);
  expect((await both.get("quick.example.com")).status).toBe(200);
  expect(both.held).toHaveLength(IN_FLIGHT);

  const [first] = both.held;
  if (first) reply(first, "done");
  await until("the next has its turn", () => both.held.length === IN_FLIGHT + 1);
  const last = both.held.at(-1);
  if (last) reply(last, "served");
  expect(await (await next).text()).toBe("served");

  await both.hang(1);
  await until("all places are taken again", () => both.held.length === IN_FLIGHT + 2);
  const refused = await both.get("stuck.example.com");
  expect([refused.status, refused.headers.get("retry-after"), refused.headers.get("x-ten-error")]).toEqual([
    503,
    "1",
    "nothing_routable",
  ]);
  expect(both.held).toHaveLength(IN_FLIGHT + 2);
});

test("300 hanging requests to one target do not slow another", async () => {
  await using both = await twoServices();
  // In ms of the processor's time a request, as others of the machine may have it meanwhile.
  const measure = async () => {
    const before = process.cpuUsage();
    for (let i = 0; i < 400; i++) await (await both.get("quick.example.com")).text();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000 / 400;
  };
  await measure();
  const alone = Math.min(await measure(), await measure(), await measure());
  await both.hang(HANGING);
  await until("all hang", () => both.held.length === HANGING);
  const beside = Math.min(await measure(), await measure(), await measure());
  expect(both.inFlight("stuck:v1")).toBe(HANGING);
  // Client, proxy and target together. The factor to keep is 2; what collects garbage meanwhile gets 3.
  expect(beside).toBeLessThan(3 * Math.max(alone, 0.3));
});
