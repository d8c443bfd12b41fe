// What is ordered when, by a clock that is moved by hand: first orders, renewals, failures, limits, ends of names.
import { describe, expect, test } from "bun:test";
import { type CertificateEvent, createCertificateManager } from "../../src/certificates/manager.ts";
import { createDirectoryStore } from "../../src/certificates/store/directory-store.ts";
import type { CertificateStore } from "../../src/certificates/store/store.ts";
import { makeAuthority, makeCertificate } from "../support/make-certificate.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { createMemoryStore } from "../support/memory-store.ts";
import { createScriptedAuthorities } from "../support/scripted-authority.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

async function open(
  more: {
    store?: CertificateStore;
    isOurs?: (name: string) => boolean;
    at?: number;
    resolves?: () => Promise<boolean>;
    isStale?: (authority: string) => boolean;
    ownerOf?: (name: string) => string | undefined;
  } = {},
) {
  const clock = createManualClock(more.at);
  const authorities = createScriptedAuthorities(clock.now);
  const events: CertificateEvent[] = [];
  const changed: string[] = [];
  const store = more.store ?? createMemoryStore();
  const manager = await createCertificateManager({
    store,
    authorities,
    clock,
    random: () => 0.5,
    isOurs: more.isOurs ?? ((name) => name.endsWith("a.test")),
    explain: async () => "it leads to 192.0.2.1",
    ...(more.resolves && { resolves: more.resolves }),
    ...(more.isStale && { isStale: more.isStale }),
    ...(more.ownerOf && { ownerOf: more.ownerOf }),
    onEvent: (event) => events.push(event),
    onChange: (name) => changed.push(name),
  });
  const told = () => events.map(({ kind, name }) => `${kind} ${name}`);
  const record = (name: string) => manager.list().find((one) => one.name === name)?.record;
  return { clock, authorities, events, changed, store, manager, told, record };
}

describe("certificates", () => {
  test("are ordered for names that are wanted, once, and stored before they are served", async () => {
    using temp = createTempDir();
    const store = createDirectoryStore(temp.file("certificates"));
    const one = await open({ store });
    one.manager.want(["a.test", "b.a.test"]);
    await until("both are there", () => one.manager.has("a.test") && one.manager.has("b.a.test"));
    expect(one.authorities.asked.toSorted()).toEqual(["a.test", "b.a.test"]);
    expect((await one.manager.pair("a.test"))?.chain).toContain("BEGIN CERTIFICATE");
    expect(one.changed.toSorted()).toEqual(["a.test", "b.a.test"]);
    one.manager[Symbol.dispose]();

    const next = await open({ store });
    next.manager.want(["a.test", "b.a.test"]);
    await next.manager.tick();
    expect(next.authorities.asked).toEqual([]);
    expect((await next.manager.pair("b.a.test"))?.key).toContain("PRIVATE KEY");
  });

  test("are one order, whoever asks at once", async () => {
    const one = await open();
    const gate = Promise.withResolvers<void>();
    one.authorities.gate = gate.promise;
    const asked = Array.from({ length: 50 }, () => one.manager.demand("a.test", 10_000));
    await until("it is asked for", () => one.authorities.asked.length > 0);
    gate.resolve();
    const pairs = await Promise.all(asked);
    expect(new Set(pairs.map((pair) => pair?.chain)).size).toBe(1);
    expect(one.authorities.asked).toEqual(["a.test"]);
  });

  test("are never ordered for a name that is not ours, and for ours at most once a minute", async () => {
    const one = await open();
    one.authorities.failure = { type: "unauthorized", detail: "no" };
    expect(await one.manager.demand("evil.example", 10_000)).toBeUndefined();
    expect(one.authorities.asked).toEqual([]);
    expect(one.manager.list()).toEqual([]);
    for (let time = 0; time < 20; time++) await one.manager.demand("a.test", 10_000);
    expect(one.authorities.asked).toEqual(["a.test"]);
    one.authorities.failure = undefined;
    await one.clock.advance(30 * 1000);
    expect(await one.manager.demand("a.test", 10_000)).toBeUndefined();
    await one.clock.advance(31 * 1000);
    expect(await one.manager.demand("a.test", 10_000)).toBeDefined();
    expect(one.authorities.asked).toEqual(["a.test", "a.test"]);
  });

  test("who asks in a handshake waits for so long and not longer", async () => {
    const one = await open();
    one.authorities.gate = new Promise(() => {});
    const asked = one.manager.demand("a.test", 10_000);
    await until("it is asked for", () => one.authorities.asked.length > 0);
    await one.clock.advance(10_000);
    expect(await asked).toBeUndefined();
  });

  test("are renewed at two thirds of their life, and the one before is served until then", async () => {
    const one = await open();
    one.manager.want(["a.test"]);
    await until("it is there", () => one.manager.has("a.test"));
    const first = await one.manager.pair("a.test");
    await one.clock.advance(59.9 * DAY);
    expect(one.authorities.asked.length).toBe(1);
    await one.clock.advance(0.2 * DAY);
    await until("it is renewed", () => one.told().includes("renewed a.test"));
    expect((await one.manager.pair("a.test"))?.chain).not.toBe(first?.chain ?? "");
    expect(one.authorities.replaced).toEqual([undefined, "https://ca.test/dir"]);
  });

  test("of six days are renewed after four", async () => {
    const one = await open();
    one.authorities.lifeMs = 6 * DAY;
    one.manager.want(["a.test"]);
    await until("it is there", () => one.manager.has("a.test"));
    await one.clock.advance(30 * DAY);
    expect(one.authorities.asked.length).toBe(8);
  });

  test("are renewed when their authority says so", async () => {
    const one = await open();
    one.manager.want(["a.test"]);
    await until("it is there", () => one.manager.has("a.test"));
    const start = one.clock.now() + 5 * DAY;
    one.authorities.window = { start, end: start + DAY };
    await one.clock.advance(2 * DAY);
    expect(one.record("a.test")?.certificate?.renewAt).toBe(start + DAY / 2);
    await one.clock.advance(4 * DAY);
    await until("it is renewed", () => one.told().includes("renewed a.test"));
    expect(one.authorities.asked.length).toBeLessThan(5);
  });

  test("that cannot be had are tried after 1 min, 10 min, 1 h and each 6 h, with what the name leads to", async () => {
    const one = await open();
    one.authorities.failure = { type: "unauthorized", detail: "wrong answer" };
    const start = one.clock.now();
    const tries: number[] = [];
    const { issue } = one.authorities;
    one.authorities.issue = function (wish) {
      tries.push(Math.round((one.clock.now() - start) / MINUTE));
      return issue.call(this, wish);
    };
    one.manager.want(["a.test"]);
    await until("it has failed", () => one.told().includes("failed a.test"));
    await one.clock.advance(DAY);
    const { placed = [], lastFailure } = one.record("a.test") ?? {};
    expect(tries).toEqual([0, 1, 11, 71, 431, 791, 1151]);
    // What came to nothing is remembered for three hours.
    expect(placed.length).toBe(1);
    expect(lastFailure?.reason).toBe("ca.test: wrong answer (unauthorized); it leads to 192.0.2.1");
  });

  test("are left alone for as long as the authority asks, through a restart", async () => {
    const store = createMemoryStore();
    const one = await open({ store });
    one.authorities.failure = {
      type: "rateLimited",
      detail: "too many",
      status: 429,
      retryAfterMs: 3 * HOUR,
    };
    one.manager.want(["a.test"]);
    await until("it has failed", () => one.told().includes("failed a.test"));
    await one.clock.advance(HOUR);
    expect(await one.manager.demand("a.test", 1)).toBeUndefined();
    one.manager[Symbol.dispose]();
    const next = await open({ store, at: one.clock.now() });
    next.manager.want(["a.test"]);
    await next.clock.advance(1.9 * HOUR);
    expect(next.authorities.asked).toEqual([]);
    await next.clock.advance(0.2 * HOUR);
    await until("it is there", () => next.manager.has("a.test"));
  });

  test("are not ordered again for a name without an address", async () => {
    const one = await open({ resolves: async () => false });
    one.authorities.failure = { type: "dns", detail: "NXDOMAIN" };
    one.manager.want(["a.test"]);
    await until("it has failed", () => one.told().includes("failed a.test"));
    await one.clock.advance(DAY);
    expect(one.authorities.asked.length).toBe(1);
    expect(one.record("a.test")?.lastFailure?.reason).toBe(
      "a.test has no address in DNS: nothing was ordered",
    );
  });

  test("are served on while the authority is down for a month, alarmed once, and had when it is back", async () => {
    const one = await open();
    one.manager.want(["a.test"]);
    await until("it is there", () => one.manager.has("a.test"));
    await one.clock.advance(59 * DAY);
    one.authorities.failure = { type: "unreachable", detail: "down" };
    for (let day = 0; day < 30; day++) {
      await one.clock.advance(DAY);
      expect(await one.manager.pair("a.test")).toBeDefined();
    }
    expect(one.told().filter((text) => text === "expiring a.test")).toEqual(["expiring a.test"]);
    const tries = one.authorities.asked.length;
    expect(tries).toBeLessThan(130);
    one.authorities.failure = undefined;
    await one.clock.advance(7 * HOUR);
    await until("it is renewed", () => one.told().includes("renewed a.test"));
    expect(one.record("a.test")).toMatchObject({ failures: 0 });
  });

  test("of a name that is removed are not renewed, and deleted a day later", async () => {
    const ours = new Set(["a.test"]);
    const one = await open({ isOurs: (name) => ours.has(name) });
    one.manager.want([]);
    await one.manager.demand("a.test", 10_000);
    expect(one.manager.has("a.test")).toBe(true);
    ours.clear();
    await one.clock.advance(HOUR);
    expect(one.manager.has("a.test")).toBe(true);
    await one.clock.advance(1.1 * DAY);
    expect(one.manager.has("a.test")).toBe(false);
    expect(await one.store.list("certificate")).toEqual(new Map());
    expect(one.changed.at(-1)).toBe("a.test");
  });

  test("are tried by operators at once, who are told why it failed", async () => {
    const one = await open();
    one.manager.want(["a.test"]);
    await until("it is there", () => one.manager.has("a.test"));
    const { serial } = one.record("a.test")?.certificate ?? {};
    expect((await one.manager.renew("a.test")).certificate?.serial).not.toBe(serial);
    one.authorities.failure = { type: "caa", detail: "CAA forbids it" };
    expect(one.manager.renew("a.test")).rejects.toThrow(
      'no certificate for "a.test": ca.test: CAA forbids it (caa)',
    );
    expect(one.manager.renew("b.test")).rejects.toThrow('there is no certificate for "b.test"');
  });

  test("are revoked, forgotten and ordered anew", async () => {
    const one = await open();
    one.manager.want(["a.test"]);
    await until("it is there", () => one.manager.has("a.test"));
    const before = await one.manager.pair("a.test");
    await one.manager.revoke("a.test", 1);
    expect(one.authorities.revoked).toEqual([before?.chain ?? ""]);
    await until("there is another", () => one.manager.has("a.test"));
    expect(await one.manager.pair("a.test")).not.toEqual(before);
  });

  test("that an operator gives are served for each name, never renewed, and go when they are removed", async () => {
    const one = await open();
    const made = makeCertificate(makeAuthority("own root"), {
      names: ["x.test", "*.x.test"],
      from: one.clock.now() - DAY,
      until: one.clock.now() + 40 * DAY,
    });
    expect(one.manager.add(made.certificate, "x.pem")).rejects.toThrow(
      "x.pem: there is no private key to it",
    );
    expect(one.manager.list()).toEqual([]);
    await one.manager.add(`${made.certificate}${made.key}`, "x.pem");
    expect(one.manager.has("x.test") && one.manager.has("deep.x.test")).toBe(true);
    expect(one.manager.has("a.deep.x.test")).toBe(false);
    await one.clock.advance(35 * DAY);
    expect(one.authorities.asked).toEqual([]);
    expect(one.told()).toEqual(["added x.test", "added *.x.test", "expiring x.test", "expiring *.x.test"]);
    const next = makeCertificate(makeAuthority("own root"), {
      names: ["x.test", "y.test"],
      from: one.clock.now() - DAY,
      until: one.clock.now() + 40 * DAY,
    });
    await one.manager.add(`${next.certificate}${next.key}`, "x.pem");
    expect(one.told().slice(4)).toEqual(["renewed x.test", "added y.test"]);
    await one.manager.remove("*.x.test");
    expect(one.manager.has("deep.x.test")).toBe(false);
    expect(one.manager.remove("*.x.test")).rejects.toThrow(/no certificate/);
  });

  test("of a thousand new names go out within the authority's limits", async () => {
    const one = await open({ isOurs: () => true });
    one.manager.want(Array.from({ length: 1_000 }, (_, index) => `n${index}.d${index}.test`));
    await one.clock.advance(MINUTE);
    await until("the first are there", () => one.authorities.asked.length === 150);
    await one.clock.advance(2.9 * HOUR);
    expect(one.authorities.asked.length).toBe(150);
    for (let hour = 0; hour < 24; hour++) {
      await one.clock.advance(HOUR);
      await until("orders have ended", () => one.manager.list().every(({ isUnderWay }) => !isUnderWay));
    }
    expect(one.authorities.asked.length).toBe(1_000);
    expect(new Set(one.authorities.asked).size).toBe(1_000);
  });

  test("of a test authority are replaced when the real ones are asked again, within their limits", async () => {
    let isStale = false;
    const one = await open({ isOurs: () => true, isStale: () => isStale });
    const names = Array.from({ length: 200 }, (_, index) => `n${index}.d${index}.test`);
    one.manager.want(names);
    await one.clock.advance(4 * HOUR);
    await until("all are there", () => names.every((name) => one.manager.has(name)));
    await one.clock.advance(4 * HOUR);
    one.authorities.asked.length = 0;
    isStale = true;
    one.manager.want(names);
    await until("the first are replaced", () => one.authorities.asked.length >= 100);
    isStale = false;
    await one.clock.advance(4 * HOUR);
    expect(one.authorities.asked.length).toBe(150);
    expect(names.every((name) => one.manager.has(name))).toBe(true);
  });

  test("are not asked for while their authority is to be left alone, and then without a wait of their own", async () => {
    const one = await open();
    one.authorities.held = one.clock.now() + 20 * MINUTE;
    one.manager.want(["a.test", "b.a.test"]);
    await one.clock.advance(19 * MINUTE);
    expect(await one.manager.demand("c.a.test", 1)).toBeUndefined();
    expect(one.authorities.asked).toEqual([]);
    await one.clock.advance(2 * MINUTE);
    await until("both are there", () => one.manager.has("a.test") && one.manager.has("b.a.test"));
    expect(one.record("a.test")).toMatchObject({ failures: 0 });
  });

  test("that visitors bring about below one tenant's wildcard are bounded, and others not held up by it", async () => {
    const one = await open({
      isOurs: () => true,
      ownerOf: (name) => (name.endsWith(".wild.example") ? "wild" : undefined),
    });
    for (let at = 0; at < 30; at++) await one.manager.demand(`made-up-${at}.wild.example`, 10_000);
    expect(one.authorities.asked.length).toBe(10);
    expect(await one.manager.demand("www.example.org", 10_000)).toBeDefined();
    expect(one.record("made-up-20.wild.example")?.lastFailure?.reason).toContain(
      "10 new certificates a week for what visitors ask of wild",
    );
    // That nothing was tried is no event, and of names without end only some are told of.
    for (let at = 30; at < 300; at++) await one.manager.demand(`made-up-${at}.wild.example`, 10_000);
    expect(one.told().filter((text) => text.startsWith("failed"))).toEqual([]);
    expect(one.manager.list().length).toBe(10 + 1 + 100);
  });

  test("that were stored by a newer version, or are garbage, are no reason not to start", async () => {
    const store = createMemoryStore();
    await store.put("name", "a.test", "{");
    await store.put("name", "b.test", JSON.stringify({ schema: 9, name: "b.test" }));
    const one = await open({ store });
    one.manager.want(["a.test"]);
    await until("it is there", () => one.manager.has("a.test"));
  });
});
