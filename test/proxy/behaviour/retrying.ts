// Failures of targets: what moves on to another one, and what is sent once only.
import { expect, test } from "bun:test";
import { deafOrigin } from "../../support/deaf-origin.ts";
import { freePort } from "../../support/free-port.ts";
import { type PlaneFactory, startPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { until } from "../../support/until.ts";
import { reply, type Seen, wireClient, wireOrigin } from "../../support/wire.ts";

const HOSTS = { hosts: ["api.example.com"] };

type WithAddress = Pick<ReturnType<typeof wireOrigin>, "address">;

/** A service whose first target is the bad one. */
const badThenGood = (bad: WithAddress, good: WithAddress) => [
  route(
    "api",
    [target("api:bad", { address: bad.address }), target("api:good", { address: good.address })],
    HOSTS,
  ),
];

export function retries(create: PlaneFactory): void {
  const cut = ({ socket }: Seen) => void socket.terminate();
  const nobody = async () => ({ host: "127.0.0.1", port: await freePort() });

  test.each([
    ["small", "abc"],
    ["large", "x".repeat(300_000)],
  ])("refused: a POST with a %s body goes to another target, whole, once", async (_, body) => {
    using origin = wireOrigin(() => {});
    await using front = await startPlane(create);
    const dead = target("api:dead", { address: await nobody() });
    await front.plane.publish([route("api", [dead, target("api:v1", { address: origin.address })], HOSTS)]);
    const answer = front.get("api.example.com", "/", { method: "POST", body });
    const seen = await until("the body is there", () => {
      const request = origin.seen[0];
      return request?.body().length === body.length ? request : undefined;
    });
    expect(seen.body()).toBe(body);
    reply(seen, "ok");
    expect((await answer).headers.get("x-ten-instance")).toBe("api:v1");
    expect((await answer).headers.get("x-ten-attempts")).toBe("2");
    expect(await front.troubled(1)).toEqual(["api:dead refused"]);
    expect(origin.seen).toHaveLength(1);
  });

  test("not accepted within a second: a POST goes to another target", async () => {
    using deaf = await deafOrigin();
    using good = wireOrigin((request) => reply(request, "ok"));
    await using front = await startPlane(create);
    await front.plane.publish([
      route(
        "api",
        [target("api:deaf", { address: deaf.origin }), target("api:good", { address: good.address })],
        HOSTS,
      ),
    ]);
    const begun = performance.now();
    const answer = await front.get("api.example.com", "/", { method: "POST", body: "x" });
    expect(answer.headers.get("x-ten-instance")).toBe("api:good");
    expect(performance.now() - begun).toBeWithin(1_000, 25_000);
    expect(await front.troubled(1)).toEqual(["api:deaf connect_timeout"]);
  });

  test("refused everywhere: 502 after at most three tries, marked as untouched", async () => {
    await using front = await startPlane(create);
    const targets = await Promise.all(
      ["a", "b", "c", "d"].map(async (label) => target(`api:${label}`, { address: await nobody() })),
    );
    await front.plane.publish([route("api", targets, HOSTS)]);
    const answer = await front.get("api.example.com", "/", { method: "POST", body: "x" });
    expect(answer.status).toBe(502);
    expect(answer.headers.get("x-ten-error")).toBe("nothing_routable");
    expect(answer.headers.get("x-ten-attempts")).toBe("3");
    expect(await front.troubled(3)).toHaveLength(3);
  });

  test.each(["GET", "OPTIONS", "PUT", "DELETE"])("reset: a %s goes to another target", async (method) => {
    using bad = wireOrigin(cut);
    using good = wireOrigin((request) => reply(request, "ok"));
    await using front = await startPlane(create);
    await front.plane.publish(badThenGood(bad, good));
    const init = method === "PUT" ? { method, body: "abc" } : { method };
    const answer = await front.get("api.example.com", "/", init);
    expect(answer.status).toBe(200);
    expect(answer.headers.get("x-ten-attempts")).toBe("2");
    expect(await answer.text()).toBe("ok");
    if (method === "PUT") expect(good.seen[0]?.body()).toBe("abc");
    expect([bad.seen.length, good.seen.length]).toEqual([1, 1]);
  });

  test.each([
    ["empty", "0\r\n\r\n"],
    ["small", "3\r\nabc\r\n0\r\n\r\n"],
  ])(
    "reset: a PUT goes to another target with a body in chunks that came with its head, %s",
    async (_, body) => {
      using bad = wireOrigin(cut);
      using good = wireOrigin((request) => reply(request, "ok"));
      await using front = await startPlane(create);
      await front.plane.publish(badThenGood(bad, good));
      const head = "PUT / HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n";
      using client = await wireClient(front.plane.url, head + body);
      const answer = await client.until((text) => text.endsWith("\r\n\r\nok"));
      expect(answer).toContain("X-Ten-Attempts: 2\r\n");
      await until("it is whole", () => good.seen[0]?.body() === body);
      expect([bad.seen.length, good.seen.length]).toEqual([1, 1]);
    },
  );

  test("reset: a POST is sent once and is 502", async () => {
    using bad = wireOrigin(cut);
    using good = wireOrigin((request) => reply(request, "ok"));
    await using front = await startPlane(create);
    await front.plane.publish(badThenGood(bad, good));
    const answer = await front.get("api.example.com", "/", { method: "POST", body: "abc" });
    expect(answer.status).toBe(502);
    expect(answer.headers.get("x-ten-error")).toBeNull();
    expect([bad.seen.length, good.seen.length]).toEqual([1, 0]);
    expect(await front.troubled(1)).toEqual(["api:bad reset"]);
  });

  test("reset after the answer began: never sent again", async () => {
    using bad = wireOrigin(({ socket }) => {
      socket.write("HTTP/1.1 200");
      socket.flush();
      setTimeout(() => socket.terminate(), 10);
    });
    using good = wireOrigin((request) => reply(request, "ok"));
    await using front = await startPlane(create);
    await front.plane.publish(badThenGood(bad, good));
    expect((await front.get("api.example.com")).status).toBe(502);
    expect(good.seen).toHaveLength(0);
  });

  test("a target that closes idle connections costs no request, POST included", async () => {
    using origin = wireOrigin((request) => {
      reply(request, "ok");
      // Closes right after the answer, without having said so.
      setTimeout(() => request.socket.end(), 0);
    });
    await using front = await startPlane(create);
    await front.plane.publish([route("api", [target("api:v1", { address: origin.address })], HOSTS)]);
    for (let i = 0; i < 50; i++) {
      const answer = await front.get("api.example.com", "/", { method: "POST", body: `${i}` });
      expect(answer.status).toBe(200);
      await answer.text();
      await until("it has closed", () => origin.open === 0);
    }
    expect(origin.seen).toHaveLength(50);
  });

  test("retries of resets are paid for: a storm ends with the bucket", async () => {
    using bad = wireOrigin(cut);
    await using front = await startPlane(create);
    await front.plane.publish([
      route(
        "api",
        [target("api:a", { address: bad.address }), target("api:b", { address: bad.address })],
        HOSTS,
      ),
    ]);
    const statuses = await Promise.all(
      Array.from({ length: 200 }, async () => (await front.get("api.example.com")).status),
    );
    expect(new Set(statuses)).toEqual(new Set([502]));
    // 200 first tries; 10 to begin with, 40 earned, 10 a second: far from the 600 that nothing would stop.
    expect(bad.seen.length).toBeLessThan(300);
    expect(bad.seen.length).toBeGreaterThan(230);
  });

  test("the only target is cut down and comes back: idempotent requests join those that wait", async () => {
    using origin = wireOrigin((request) => {
      if (request.head.includes("/again") && origin.seen.length > 1) reply(request, "back");
    });
    await using front = await startPlane(create);
    const v1 = target("api:v1", { address: origin.address });
    await front.plane.publish([route("api", [v1], HOSTS)]);
    const cutDown = front.get("api.example.com", "/again");
    await until("it is there", () => origin.seen.length === 1);
    origin.seen[0]?.socket.terminate();
    await front.troubled(1);
    await front.plane.publish([route("api", [{ ...v1, readiness: "coming" }], HOSTS)]);
    await until("it waits", () => front.wanted.length === 1);
    await front.plane.publish([route("api", [v1], HOSTS)]);
    const answer = await cutDown;
    expect(answer.status).toBe(200);
    expect(await answer.text()).toBe("back");
  });
}
