// An operation may take its time without a word: no idle timer of a listener cuts it, whichever door and transport.
import { expect, test } from "bun:test";
import { ADMIN, serveSocket, serveTcp, type TestHandlers } from "./fixture.ts";

/** Bun's own idle timer cuts a quiet connection at 12 s; this is longer than that and than one heartbeat missed. */
const QUIET_MS = 15_000;

const quiet = () => Bun.sleep(QUIET_MS);
const slow: Partial<TestHandlers> = {
  async list() {
    await quiet();
    return { things: ["late"], scope: "admin" };
  },
  async weigh({ params, body }) {
    await quiet();
    return { id: params.id, weight: body.weight };
  },
  async metrics() {
    await quiet();
    return "late 1\n";
  },
  async deploy() {
    await quiet();
    return { done: 1 };
  },
  async *tail() {
    await quiet();
    yield { n: 1 };
  },
};

test.each([
  ["the unix socket", () => serveSocket({ handlers: slow })],
  ["TCP", () => serveTcp({ handlers: slow })],
])(
  "over %s every kind of operation is answered after 15 s without a line of progress",
  async (_, open) => {
    await using server = await open();
    const client = typeof server.client === "function" ? server.client(ADMIN) : server.client;
    const events = Array.fromAsync(client.tail({ query: { from: 0 } }));
    const answers = await Promise.all([
      client.list({ query: {} }),
      client.weigh({ params: { id: "api:v1" }, body: { weight: 1 } }),
      client.metrics(),
      client.deploy({ body: { steps: 1 } }),
      events,
    ]);
    expect(answers).toEqual([
      { things: ["late"], scope: "admin" },
      { id: "api:v1", weight: 1 },
      "late 1\n",
      { done: 1 },
      [{ n: 1 }],
    ]);
  },
  180_000,
);
