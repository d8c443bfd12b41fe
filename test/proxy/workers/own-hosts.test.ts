// Requests for the own hosts, from a worker to the supervisor and back.
import { describe, expect, test } from "bun:test";
import { until } from "../../support/until.ts";
import { wireClient } from "../../support/wire.ts";
import { startPair } from "../../support/workers.ts";

describe("what is handed over to the supervisor", () => {
  test("an upload that its visitor gives up is no defect", async () => {
    const defects: string[] = [];
    let aborted = 0;
    const hooks = {
      own: async (request: Request) => {
        await request.bytes().catch(() => {
          aborted += 1;
        });
        return new Response("ok");
      },
      onTrouble() {},
      onWanted() {},
      onDefect: ({ message }: Error) => void defects.push(message),
    };
    await using front = await startPair({ workers: 1 }, { hooks });
    const head = "POST /api/x HTTP/1.1\r\nHost: example.com\r\n";
    for (const length of [10, 1_000_000]) {
      const client = await wireClient(front.plane.url, `${head}Content-Length: ${length}\r\n\r\nabc`);
      // What comes later is answered later.
      await (await front.get("example.com")).text();
      client[Symbol.dispose]();
    }
    await until("the one that had begun is cut", () => aborted === 1);
    expect((await front.get("example.com", "/", { method: "POST", body: "x" })).status).toBe(200);
    expect(defects).toEqual([]);
  });

  test("bodies and streams go both ways as they come, and who asked is told", async () => {
    const said = Promise.withResolvers<void>();
    let left = false;
    await using front = await startPair(
      {},
      {
        trustedProxies: ["127.0.0.1"],
        hooks: {
          async own(request, { peer, peerTrusted }) {
            if (request.method === "POST")
              return new Response(`${peer} ${peerTrusted} ${Bun.hash(await request.bytes())}`);
            request.signal.addEventListener("abort", () => {
              left = true;
            });
            const events = new ReadableStream({
              async start(controller) {
                controller.enqueue("data: 1\n\n");
                await said.promise;
                controller.enqueue("data: 2\n\n");
              },
            });
            return new Response(events, { headers: { "content-type": "text/event-stream" } });
          },
          onTrouble() {},
          onWanted() {},
        },
      },
    );
    const body = new Uint8Array(3_000_000).fill(7);
    const posted = await front.get("example.com", "/api/x", {
      method: "POST",
      body,
      headers: { "x-own-peer": "9.9.9.9", "x-own-trusted": "false" },
    });
    expect(await posted.text()).toBe(`127.0.0.1 true ${Bun.hash(body)}`);
    const client = await wireClient(front.plane.url, "GET /api/events HTTP/1.1\r\nHost: example.com\r\n\r\n");
    await client.until((text) => text.includes("data: 1"));
    said.resolve();
    await client.until((text) => text.includes("data: 2"));
    client[Symbol.dispose]();
    await until("the supervisor hears that the visitor has left", () => left);
  });
});
