// Draining and closing: what is in flight finishes, nothing new begins, and nobody is cut off early.
import { expect, test } from "bun:test";
import { type PlaneFactory, startPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { until } from "../../support/until.ts";
import { fieldOf, reply, type Seen, wireClient, wireOrigin } from "../../support/wire.ts";

const ASK = "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n";

export function drains(create: PlaneFactory): void {
  async function serving(script: (request: Seen) => void) {
    const origin = wireOrigin(script);
    const front = await startPlane(create);
    const { address } = origin;
    const hosts = ["api.example.com"];
    const v1 = target("api:v1", { address });
    const v2 = target("api:v2", { address });
    await front.plane.publish([route("api", [v1], { hosts })]);
    return {
      ...front,
      origin,
      /** All traffic to v2, v1 gets nothing more. */
      switchOver: () =>
        front.plane.publish([route("api", [{ ...v1, readiness: "out" as const }, v2], { hosts })]),
      async [Symbol.asyncDispose]() {
        await front[Symbol.asyncDispose]();
        origin[Symbol.dispose]();
      },
    };
  }

  test("a drained target gets no new request, and is drained with the last byte of the last answer", async () => {
    await using front = await serving(({ socket, nth, head }) => {
      if (head.includes("/new")) return reply({ socket, nth, head, body: () => "" }, "new");
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    });
    using client = await wireClient(front.plane.url, ASK);
    await client.until((text) => text.includes("abc"));
    await front.switchOver();
    let drained: number | undefined;
    const draining = front.plane.drain("api:v1", 10_000).then(({ left }) => {
      drained = left;
    });
    const answer = await front.get("api.example.com", "/new");
    expect(answer.headers.get("x-ten-instance")).toBe("api:v2");
    expect(drained).toBeUndefined();
    await front.counted({ inFlight: 1, idleMs: 0 });
    front.origin.seen[0]?.socket.write("def");
    await draining;
    expect(drained).toBe(0);
    expect(await client.until((text) => text.includes("def"))).toStartWith("HTTP/1.1 200");
  });

  test("a target that has moved serves where it is now, and is drained of what is where it was", async () => {
    await using front = await serving(({ socket }) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    });
    using next = wireOrigin((request) => {
      if (!request.head.includes("/never")) reply(request, "new");
    });
    using client = await wireClient(front.plane.url, ASK);
    await client.until((text) => text.includes("abc"));
    const moved = target("api:v1", { address: next.address });
    await front.plane.publish([route("api", [moved], { hosts: ["api.example.com"] })]);
    expect(await (await front.get("api.example.com")).text()).toBe("new");
    // What goes to the new address holds nothing up.
    using _open = await wireClient(front.plane.url, ASK.replace("GET /", "GET /never"));
    await until("it is there", () => next.seen.length === 2);
    expect(await front.plane.drain("api:v1", 30)).toEqual({ left: 1 });
    const drained = front.plane.drain("api:v1", 10_000);
    front.origin.seen[0]?.socket.write("def");
    expect(await drained).toEqual({ left: 0 });
    expect(await client.until((text) => text.includes("def"))).toStartWith("HTTP/1.1 200");
  });

  test("a target that is to come back is drained as well", async () => {
    await using front = await serving(() => {});
    using _client = await wireClient(front.plane.url, ASK);
    await until("it is there", () => front.origin.seen.length === 1);
    const coming = target("api:v1", { address: front.origin.address, readiness: "coming" });
    await front.plane.publish([route("api", [coming], { hosts: ["api.example.com"] })]);
    expect(await front.plane.drain("api:v1", 30)).toEqual({ left: 1 });
  });

  test("a drain ends at its deadline and says what is left", async () => {
    await using front = await serving(() => {});
    using _client = await wireClient(front.plane.url, ASK);
    await until("it is there", () => front.origin.seen.length === 1);
    await front.switchOver();
    expect(await front.plane.drain("api:v1", 30)).toEqual({ left: 1 });
  });

  test("a target without traffic is drained at once", async () => {
    await using front = await serving(() => {});
    await front.switchOver();
    expect(await front.plane.drain("api:v1", 60_000)).toEqual({ left: 0 });
    expect(await front.plane.drain("api:never", 60_000)).toEqual({ left: 0 });
  });

  test("closing lets a slow client have it all", async () => {
    const size = 8_000_000;
    await using origin = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      development: false,
      fetch: () => new Response("x".repeat(size)),
    });
    await using front = await startPlane(create);
    const v1 = target("api:v1", { address: { host: "127.0.0.1", port: origin.port ?? 0 } });
    await front.plane.publish([route("api", [v1], { hosts: ["api.example.com"] })]);
    using client = await wireClient(front.plane.url, ASK);
    client.pause();
    await front.counted({ statuses: [0, 1, 0, 0, 0] });
    const closing = front.plane.close(20_000);
    client.resume();
    await client.until((text) => text.length - text.indexOf("\r\n\r\n") - 4 === size);
    await closing;
    expect(
      await wireClient(front.plane.url, ASK).then(
        () => "open",
        () => "refused",
      ),
    ).toBe("refused");
  });

  test("closing tells clients that keep connections to close them, and cuts none", async () => {
    await using front = await serving((request) => reply(request, "ok"));
    using client = await wireClient(front.plane.url, ASK);
    await client.until((text) => text.endsWith("ok"));
    expect(fieldOf(client.text(), "connection")).toBeUndefined();
    const closing = front.plane.close(5_000);
    client.write(ASK);
    await client.closed;
    expect(client.text().match(/HTTP\/1\.1 200/g)).toHaveLength(2);
    expect(fieldOf(client.text().slice(20), "connection")).toBe("close");
    await closing;
  });

  test("closing refuses at once those that wait for a target", async () => {
    await using front = await startPlane(create);
    const coming = target("api:v1", { readiness: "coming" });
    await front.plane.publish([route("api", [coming], { hosts: ["api.example.com"] })]);
    const answer = front.get("api.example.com");
    await until("it waits", () => front.wanted.length === 1);
    const closing = front.plane.close(20_000);
    expect((await answer).status).toBe(503);
    await closing;
  });

  test("closing ends at its deadline whatever still hangs", async () => {
    await using front = await serving(() => {});
    using client = await wireClient(front.plane.url, ASK);
    await until("it is there", () => front.origin.seen.length === 1);
    await front.plane.close(100);
    expect(await client.closed).toMatch(/closed|reset/);
    await until("the upstream connection is gone", () => front.origin.open === 0);
  });
}
