// What the handlers of the API do beyond passing on.
import { expect, test } from "bun:test";
import { createHandlers, type HandlerParts } from "../../../src/ten/api/handlers.ts";

test("the output of a thousand failed instances is read one after the other", async () => {
  const instances = Array.from({ length: 1_000 }, (_, n) => {
    return { id: `api:v${n}`, service: "api", state: "failed" };
  });
  const reading = { now: 0, most: 0 };
  async function lastOutput() {
    reading.now += 1;
    reading.most = Math.max(reading.most, reading.now);
    await Promise.resolve();
    reading.now -= 1;
    return ["no database"];
  }
  const parts = {
    control: {
      logs: { lastOutput },
      registry: { history: () => [], rollouts: new Map(), shadows: new Map(), list: () => [] },
      config: () => ({ services: new Map() }),
      links: { list: () => [] },
    },
    view: { list: () => instances, underMaintenance: () => [] },
    history: { ownNames: () => [] },
  };
  const handlers = createHandlers(parts as unknown as HandlerParts);
  const asked = { query: {}, principal: { scope: "admin" } };
  const answer = await handlers.listInstances(asked as Parameters<typeof handlers.listInstances>[0]);
  expect((answer as { instances: unknown[] }).instances).toHaveLength(1_000);
  expect(reading.most).toBe(1);
});
