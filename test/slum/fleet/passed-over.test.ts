// A server that had no app for a tenant is passed over for ten seconds, for that tenant only.
import { expect, test } from "bun:test";
import { PassedOver } from "../../../src/slum/fleet/passed-over.ts";
import { createManualClock } from "../../support/manual-clock.ts";

test("a server is passed over for ten seconds after its last refusal, for one tenant, and then forgotten", async () => {
  const clock = createManualClock();
  const passed = new PassedOver(clock);
  expect(passed.isEmpty).toBe(true);
  passed.add("acme", "iad");
  await clock.advance(6_000);
  passed.add("beta", "iad");
  passed.add("acme", "iad");
  expect([passed.has("acme", "iad"), passed.has("acme", "fra"), passed.has("solo", "iad")]).toEqual([
    true,
    false,
    false,
  ]);
  await clock.advance(9_999);
  expect([passed.has("acme", "iad"), passed.has("beta", "iad")]).toEqual([true, true]);
  await clock.advance(1);
  expect([passed.has("acme", "iad"), passed.has("beta", "iad")]).toEqual([false, false]);
  passed.add("acme", "syd");
  await clock.advance(10_000);
  passed.add("acme", "fra");
  expect([passed.has("acme", "syd"), passed.has("acme", "fra")]).toEqual([false, true]);
});
