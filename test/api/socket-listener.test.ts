// The unix socket: who is there, who is refused, and that it carries what HTTP carries.
import { expect, test } from "bun:test";
import { Fault } from "../../src/core/fault.ts";
import { userEntry } from "../../src/platform/process/account.ts";
import { until } from "../support/until.ts";
import { faultOf, serveSocket } from "./fixture.ts";

test("the user at the socket is known by name and number", async () => {
  let name = "";
  await using server = await serveSocket({
    handlers: {
      list: ({ principal }) => {
        name = principal.name;
        return { things: [], scope: principal.scope };
      },
    },
  });
  await server.client.list();
  const uid = process.getuid?.() ?? 0;
  expect(name).toBe(`${userEntry(String(uid))?.name} (uid ${uid})`);
});

test("a process that may not use the socket is told why, for whatever it asks", async () => {
  const seen: number[] = [];
  await using server = await serveSocket({
    refusePeer: ({ pid }) => {
      seen.push(pid);
      return new Fault("forbidden", "the socket is not for instances");
    },
  });
  expect((await faultOf(server.client.list())).message).toBe("the socket is not for instances");
  expect((await faultOf(server.client.hello())).code).toBe("forbidden");
  expect(new Set(seen)).toEqual(new Set([process.pid]));
});

test("a body of many megabytes arrives whole, and an answer too", async () => {
  await using server = await serveSocket();
  const text = "x".repeat(900_000);
  const response = await fetch("http://localhost/api/things/a/weight", {
    method: "PUT",
    body: JSON.stringify({ weight: 1, more: text }),
    unix: server.socket,
  });
  expect([response.status, await response.json()]).toMatchObject([422, { error: { code: "usage" } }]);
});

test("requests follow each other on one connection, and several are open at once", async () => {
  await using server = await serveSocket();
  const many = await Promise.all(
    Array.from({ length: 50 }, () => server.client.list({ query: { limit: 1 } })),
  );
  expect(new Set(many.map(({ things }) => things.join()))).toEqual(new Set(["a"]));
});

test("a client that goes away in the middle of a stream ends its source", async () => {
  let isOver = false;
  await using server = await serveSocket({
    handlers: {
      tail: ({ signal }) =>
        (async function* () {
          yield { n: 1 };
          await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
          isOver = true;
        })(),
    },
  });
  for await (const { n } of server.client.tail({ query: { from: 0 } })) {
    expect(n).toBe(1);
    break;
  }
  await until("the source has ended", () => isOver);
});
