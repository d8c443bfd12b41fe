// A relay before real servers: which of their answers it waits for, and when it looks into them.
import { expect, test } from "bun:test";
import { createFailoverPlane } from "../../../src/proxy/failover/failover-plane.ts";
import { createUpstream } from "../../../src/proxy/upstream/upstream.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { target } from "../../support/routes.ts";
import { reply, type Seen, wireClient, wireOrigin } from "../../support/wire.ts";

/** A relay that knows one server, which follows a script. */
function relaying(script: (request: Seen) => void) {
  const origin = wireOrigin(script);
  const clock = createManualClock();
  const trouble: string[] = [];
  const stop = { target: target("srv:a", { address: origin.address }), fields: [], isHome: true };
  const plane = createFailoverPlane(
    {
      host: "127.0.0.1",
      port: 0,
      trustedProxies: [],
      fields: {
        target: "X-Server",
        attempts: "X-Attempts",
        passed: "x-slum-passed",
        error: "X-Error",
        selector: "X-Selector",
      },
      refusalField: "x-error",
      overwritten: new Set(),
      requestTimeoutMs: 30_000,
      streamIdleTimeoutMs: 300_000,
      clock,
      hooks: {
        find: () => ({ name: "acme", next: () => stop, onRefusal() {} }),
        own: () => new Response("own"),
        onTrouble: (id, kind) => void trouble.push(`${id} ${kind}`),
        onDelivery() {},
        verdict: async () => undefined,
      },
    },
    createUpstream({ clock }),
  );
  return {
    plane,
    clock,
    trouble,
    ask: (path: string) => wireClient(plane.url, `GET ${path} HTTP/1.1\r\nHost: a.example\r\n\r\n`),
    async [Symbol.asyncDispose]() {
      await plane[Symbol.asyncDispose]();
      origin[Symbol.dispose]();
    },
  };
}

test("a long answer whose head came in time is no reason to look into its server, and not cut with those that wait", async () => {
  let finish = () => {};
  await using front = relaying((request) => {
    // Only over a connection that has been used before does nobody listen for the visitor from the start.
    if (request.nth === 1) return reply(request, "first");
    request.socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n");
    finish = () => void request.socket.write("5\r\nended\r\n0\r\n\r\n");
  });
  using first = await front.ask("/first");
  await first.until((text) => text.endsWith("first"));
  using client = await front.ask("/long");
  await client.until((text) => text.includes("begun"));
  await front.clock.advance(2_000);
  front.plane.cut("srv:a");
  finish();
  expect(await client.until((text) => text.endsWith("0\r\n\r\n"))).toContain("begun\r\n5\r\nended");
  await front.clock.advance(2_000);
  expect(front.trouble).toEqual([]);
});
