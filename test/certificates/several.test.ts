// Several programs that share a store: one order a name, all have its certificate, and a holder that dies holds nobody up for ever.
import { describe, expect, test } from "bun:test";
import { type CertificateEvent, createCertificateManager } from "../../src/certificates/manager.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createSharedStore } from "../support/memory-store.ts";
import { createScriptedAuthorities } from "../support/scripted-authority.ts";
import { until } from "../support/until.ts";

async function openThree() {
  const clock = createManualClock();
  const authorities = createScriptedAuthorities(clock.now);
  const shared = createSharedStore(clock.monotonic);
  const events: CertificateEvent[] = [];
  const open = (name: string) =>
    createCertificateManager({
      store: shared(name),
      authorities,
      clock,
      random: () => 0.5,
      isOurs: () => true,
      onEvent: (event) => events.push(event),
      onChange: () => {},
    });
  const managers = await Promise.all(["one", "two", "three"].map(open));
  return { clock, authorities, shared, events, managers };
}

describe("three programs with one store", () => {
  test("place one order for a name that all are asked for at once, and all serve it", async () => {
    const { clock, authorities, managers } = await openThree();
    const gate = Promise.withResolvers<void>();
    authorities.gate = gate.promise;
    const asked = managers.map((manager) => manager.demand("a.test", 10_000));
    await until("one has asked", () => authorities.asked.length > 0);
    gate.resolve();
    await until("all have it", async () => {
      await clock.advance(1_000);
      return managers.every((manager) => manager.has("a.test"));
    });
    const pairs = await Promise.all(asked);
    expect(authorities.asked).toEqual(["a.test"]);
    expect(new Set(pairs.map((pair) => pair?.chain)).size).toBe(1);
  });

  test("renew it once, and tell once of its end", async () => {
    const { clock, authorities, managers, events } = await openThree();
    await managers[0]?.demand("a.test", 10_000);
    await clock.advance(61 * 86_400_000);
    await until("it is renewed", () => authorities.asked.length > 1);
    await clock.advance(86_400_000);
    expect(authorities.asked).toEqual(["a.test", "a.test"]);
    authorities.failure = { type: "unreachable", detail: "down" };
    await clock.advance(80 * 86_400_000);
    expect(events.filter(({ kind }) => kind === "expiring").length).toBe(1);
  });

  test("go on when the one that orders has died", async () => {
    const { clock, authorities, shared, managers } = await openThree();
    const dead = shared("dead");
    expect(await dead.lease("a.test", 300_000)).toBe(true);
    const asked = managers[0]?.demand("a.test", 400_000);
    await clock.advance(299_500);
    expect(authorities.asked).toEqual([]);
    await clock.advance(10_000);
    await asked;
    await clock.advance(60_000);
    await until("another orders it", async () => {
      await clock.advance(1_000);
      return managers[0]
        ?.demand("a.test", 1)
        .then((pair) => pair !== undefined || managers[0]?.has("a.test"));
    });
    expect(authorities.asked).toEqual(["a.test"]);
  });
});
