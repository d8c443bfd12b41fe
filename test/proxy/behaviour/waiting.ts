// Waiting for targets that are on their way: in order, bounded, and no longer than there is hope.
import { expect, test } from "bun:test";
import type { Readiness } from "../../../src/core/route.ts";
import { type PlaneFactory, startPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { until } from "../../support/until.ts";
import { reply, wireClient, wireOrigin } from "../../support/wire.ts";

export function waits(create: PlaneFactory): void {
  async function serving(
    changes: { waitMs?: number; onDemand?: boolean } = {},
    onWanted?: () => Promise<void>,
  ) {
    const origin = wireOrigin((request) => reply(request, request.head.split(" ")[1] ?? ""));
    const front = await startPlane(create, {}, onWanted);
    return {
      ...front,
      origin,
      /** Publishes the service with its targets in these states. */
      put(states: Record<string, Readiness>, weights: Record<string, number> = {}) {
        const targets = Object.entries(states).map(([label, readiness]) =>
          target(`api:${label}`, { address: origin.address, readiness, weight: weights[label] ?? 10_000 }),
        );
        const policy = { waitMs: 5_000, ...changes };
        return front.plane.publish([route("api", targets, { hosts: ["api.example.com"], policy })]);
      },
      async [Symbol.asyncDispose]() {
        await front[Symbol.asyncDispose]();
        origin[Symbol.dispose]();
      },
    };
  }

  test.each(["coming", "asleep"] as const)(
    "requests wait for a target that is %s, in order",
    async (state) => {
      await using front = await serving();
      await front.put({ v1: state });
      const answers: Promise<Response>[] = [];
      for (let i = 0; i < 20; i++) {
        answers.push(front.get("api.example.com", `/${i}`, { method: "POST", body: "x" }));
        await until("it waits", () => front.wanted.length === i + 1);
      }
      expect(front.origin.seen).toHaveLength(0);
      await front.put({ v1: "ready" });
      const texts = await Promise.all((await Promise.all(answers)).map((answer) => answer.text()));
      expect(texts).toEqual(Array.from({ length: 20 }, (_, i) => `/${i}`));
      expect(front.wanted[0]).toEqual({
        route: "api",
        label: state === "asleep" ? "v1" : undefined,
        client: "127.0.0.1",
      });
    },
  );

  test("503 at once when the start fails", async () => {
    await using front = await serving();
    await front.put({ v1: "asleep" });
    const answer = front.get("api.example.com");
    await until("it waits", () => front.wanted.length === 1);
    await front.put({ v1: "out" });
    expect((await answer).status).toBe(503);
    expect((await answer).headers.get("x-ten-error")).toBe("start_failed");
    expect((await answer).headers.get("retry-after")).toBe("5");
  });

  test("503 when it does not come in time", async () => {
    await using front = await serving({ waitMs: 50 });
    await front.put({ v1: "coming" });
    const answer = await front.get("api.example.com");
    expect(answer.status).toBe(503);
    expect(answer.headers.get("x-ten-error")).toBe("start_failed");
  });

  test("nobody waits for a target without weight, except who asks for it by name", async () => {
    await using front = await serving();
    await front.put({ v1: "coming" }, { v1: 0 });
    expect((await front.get("api.example.com")).status).toBe(503);
    const named = front.get("v1.api.example.com");
    await until("it waits", () => front.wanted.length === 1);
    expect(front.wanted[0]?.label).toBe("v1");
    await front.put({ v1: "ready" }, { v1: 0 });
    expect((await named).status).toBe(200);
  });

  test("a starting target gets nothing while another serves", async () => {
    await using front = await serving();
    await front.put({ v1: "ready", v2: "coming" });
    for (let i = 0; i < 10; i++) {
      expect((await front.get("api.example.com")).headers.get("x-ten-instance")).toBe("api:v1");
    }
    expect(front.wanted).toEqual([]);
  });

  test.each([
    ["fails to wake", 5_000, { v1: "out", v2: "ready" }],
    ["does not wake in time", 100, undefined],
  ] as const)(
    "when the sleeping target whose turn it is %s, an awake one serves",
    async (_, waitMs, then) => {
      await using front = await serving({ waitMs });
      await front.put({ v1: "asleep", v2: "ready" });
      const answers = [front.get("api.example.com"), front.get("api.example.com")];
      await until("one waits", () => front.wanted.length === 1);
      if (then) await front.put(then);
      for (const answer of answers) expect((await answer).headers.get("x-ten-instance")).toBe("api:v2");
    },
  );

  test("a visitor who leaves no longer waits", async () => {
    await using front = await serving();
    await front.put({ v1: "coming" });
    const client = await wireClient(front.plane.url, "GET /left HTTP/1.1\r\nHost: api.example.com\r\n\r\n");
    await until("it waits", () => front.wanted.length === 1);
    client[Symbol.dispose]();
    const stays = front.get("api.example.com", "/stays");
    await until("the other waits", () => front.wanted.length === 2);
    await Bun.sleep(20);
    await front.put({ v1: "ready" });
    expect(await (await stays).text()).toBe("/stays");
    expect(front.origin.seen.map(({ head }) => head.split(" ")[1])).toEqual(["/stays"]);
  });

  test("at most a thousand wait, the next is told to come back", async () => {
    await using front = await serving();
    await front.put({ v1: "coming" });
    const ask = "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
    const clients = await Promise.all(Array.from({ length: 1000 }, () => wireClient(front.plane.url, ask)));
    await until("all wait", () => front.wanted.length === 1000);
    const answer = await front.get("api.example.com");
    expect(answer.status).toBe(503);
    expect(answer.headers.get("x-ten-error")).toBe("nothing_routable");
    await front.put({ v1: "ready" });
    for (const client of clients) {
      expect(await client.until((text) => text.includes("\r\n\r\n/"))).toStartWith("HTTP/1.1 200");
      client[Symbol.dispose]();
    }
  });

  test("a target that nobody knows is made on demand, and waited for", async () => {
    await using front = await serving({ onDemand: true }, async () => {
      await front.put({ v1: "ready", new: "coming" });
    });
    await front.put({ v1: "ready" });
    const answer = front.get("new.api.example.com");
    await until("both were told", () => front.wanted.length === 2);
    await front.put({ v1: "ready", new: "ready" });
    expect((await answer).headers.get("x-ten-instance")).toBe("api:new");
  });

  test("404 when the program makes none, 503 when it cannot", async () => {
    let refusal: Error | undefined;
    await using front = await serving({ onDemand: true }, async () => {
      if (refusal) throw refusal;
    });
    await front.put({ v1: "ready" });
    expect((await front.get("new.api.example.com")).status).toBe(404);
    refusal = new Error("too many instances");
    expect((await front.get("new.api.example.com")).status).toBe(503);
  });
}
