// Requests that get no answer at all are counted for each target; what is no fault of the target's is not.
import { expect, test } from "bun:test";
import { type PlaneFactory, startPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { until } from "../../support/until.ts";
import { reply, type Seen, wireClient, wireOrigin } from "../../support/wire.ts";

const HOST = "api.example.com";

export function countsUnanswered(create: PlaneFactory): void {
  async function serving(script: (request: Seen) => void, requestTimeoutMs = 300) {
    const origin = wireOrigin(script);
    const front = await startPlane(create);
    const policy = { requestTimeoutMs };
    const { address } = origin;
    await front.plane.publish([route("api", [target("api:v1", { address })], { hosts: [HOST], policy })]);
    return {
      ...front,
      origin,
      count: () => front.plane.traffic()[0]?.unanswered.count ?? 0,
      async [Symbol.asyncDispose]() {
        await front[Symbol.asyncDispose]();
        origin[Symbol.dispose]();
      },
    };
  }

  test("a reset and a timeout are, with the client; an answer forgets the clients and no count", async () => {
    await using front = await serving((request) => {
      if (request.head.includes("/reset")) request.socket.terminate();
      else if (request.head.includes("/ok")) reply(request, "ok");
    });
    expect((await front.get(HOST, "/reset", { method: "POST" })).status).toBe(502);
    expect((await front.get(HOST, "/hang")).status).toBe(504);
    await until("both are counted", () => front.count() === 2);
    expect(front.plane.traffic()[0]?.unanswered.clients).toHaveLength(1);
    expect((await front.get(HOST, "/ok")).status).toBe(200);
    await until("the clients are forgotten", () => front.plane.traffic()[0]?.unanswered.clients.length === 0);
    expect(front.count()).toBe(2);
  });

  test("answers that say no, visitors that leave, and what is no HTTP are not", async () => {
    await using front = await serving((request) => {
      if (request.head.includes("/no"))
        request.socket.end("HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      else if (request.head.includes("/garbage")) request.socket.end("SSH-2.0-x\r\n\r\n");
    }, 60_000);
    expect((await front.get(HOST, "/no")).status).toBe(500);
    expect((await front.get(HOST, "/garbage")).status).toBe(502);
    {
      using _leaves = await wireClient(front.plane.url, `GET /hang HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
      await until("it is there", () => front.origin.seen.length >= 3);
    }
    await until("it has left", () => front.plane.busy().length === 0);
    expect((await front.get(HOST, "/no")).status).toBe(500);
    expect(front.count()).toBe(0);
  });
}
