// Streams of an admin API: what their ends lead to, and what proxies on the way are told.
import { expect, test } from "bun:test";
import { until } from "../support/until.ts";
import { ADMIN, serveSocket, serveTcp, type TestHandlers } from "./fixture.ts";

/** A source that waits for its client to go, as a followed log without new lines does, and then ends. */
function quietSource() {
  let ended = 0;
  const tail: TestHandlers["tail"] = ({ signal }) =>
    (async function* () {
      yield { n: 0 };
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      ended += 1;
    })();
  return { tail, ended: () => ended };
}

test.each([
  ["the socket", serveSocket],
  ["TCP", serveTcp],
])("ten follows over %s that end while they wait leave no trace", async (_, open) => {
  const source = quietSource();
  await using server = await open({ handlers: { tail: source.tail } });
  const client = typeof server.client === "function" ? server.client(ADMIN) : server.client;
  for (let n = 0; n < 10; n += 1) {
    for await (const event of client.tail({ query: { from: 0 } })) {
      expect(event).toEqual({ n: 0 });
      break;
    }
  }
  await until("all sources have ended", () => source.ended() === 10, 20_000);
  // What is told of an end is told in the turn after it.
  await client.hello();
  expect(server.defects).toEqual([]);
});

test("a source that breaks when its client has gone is told, and ends nothing else", async () => {
  const tail: TestHandlers["tail"] = ({ signal }) =>
    (async function* () {
      yield { n: 0 };
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      throw new Error("the file is gone");
    })();
  await using server = await serveSocket({ handlers: { tail } });
  for await (const _ of server.client.tail({ query: { from: 0 } })) break;
  await until("it is told", () => server.defects.length > 0, 20_000);
  expect(server.defects.map(String)).toEqual(["Error: the file is gone"]);
  expect((await server.client.hello()).status).toBe("ok");
});

test("every stream tells proxies not to keep it back", async () => {
  await using server = await serveTcp();
  const headers = { Authorization: `Bearer ${ADMIN}` };
  const events = await fetch(new URL("/api/tail?from=0", server.url), { headers });
  const progress = await fetch(new URL("/api/deploy", server.url), {
    method: "POST",
    headers,
    body: '{"steps":1}',
  });
  await Promise.all([events.text(), progress.text()]);
  expect([events, progress].map((answer) => answer.headers.get("x-accel-buffering"))).toEqual(["no", "no"]);
});
