// What each rollout command makes of a service, and what it refuses.
import { describe, expect, test } from "bun:test";
import { Fault } from "../../src/core/fault.ts";
import {
  type Change,
  type Member,
  planRaw,
  planRollback,
  planRoute,
  planShare,
  planStop,
  planUndo,
  type Service,
  spawnWeight,
} from "../../src/core/rollout.ts";

function member(id: string, weight: number, more: Partial<Member> = {}): Member {
  const deployed = Number(/\d+$/.exec(id)?.[0] ?? 0);
  const usual = { version: id, runs: true, healthy: true, sleeps: false, deployed, deployedAfter: 0 };
  return { id, weight, ...usual, ...more };
}

const api = (...members: Member[]): Service => ({ name: "api", members });
const plain = (plan: { weights: ReadonlyMap<string, number> }) => Object.fromEntries(plan.weights);
const change = (before: Record<string, number>, after: Record<string, number>, seq = 1): Change => ({
  seq,
  before: new Map(Object.entries(before)),
  after: new Map(Object.entries(after)),
});

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    if (thrown instanceof Fault) return `${thrown.code}: ${thrown.message} | ${thrown.hint}`;
    throw thrown;
  }
  return "accepted";
}

describe("weight", () => {
  test("gives exactly the percentage asked for", () => {
    expect(plain(planShare(api(member("v1", 10000), member("v2", 0)), "v2", 1000, false))).toEqual({
      v1: 9000,
      v2: 1000,
    });
  });

  test("below 100 with no sibling that has weight is refused, and the hint names both", () => {
    const service = api(member("v1", 0), member("v2", 10000));
    expect(refusal(() => planShare(service, "v2", 5000, true))).toBe(
      "conflict: no other instance of api takes traffic, so api:v2 cannot have 50 % | name both: ten weight api:v1=50 api:v2=50",
    );
  });

  test("0 for the last instance with traffic is refused unless forced", () => {
    const service = api(member("v1", 10000), member("v2", 0));
    expect(refusal(() => planShare(service, "v1", 0, false))).toStartWith(
      "conflict: that would leave api without",
    );
    expect(refusal(() => planShare(service, "v1", 0, false))).toEndWith(
      "route first: ten route api --to v2; or say --force",
    );
    expect(refusal(() => planShare(api(member("v1", 10000)), "v1", 0, false))).toEndWith(
      "start another first: ten deploy api --version ID; or say --force",
    );
    expect(plain(planShare(service, "v1", 0, true))).toEqual({ v1: 0, v2: 0 });
  });

  test("100 for an instance that is not healthy is refused while another serves", () => {
    const service = api(member("v1", 10000), member("v2", 0, { healthy: false }));
    expect(refusal(() => planShare(service, "v2", 10000, false))).toStartWith(
      "unhealthy: api:v2 is not healthy",
    );
    expect(plain(planShare(service, "v2", 1000, false))).toEqual({ v1: 9000, v2: 1000 });
    expect(plain(planShare(service, "v2", 10000, true))).toEqual({ v1: 0, v2: 10000 });
  });

  test("a stopped instance and an unknown one are refused", () => {
    const service = api(member("v1", 10000), member("v2", 0, { runs: false }));
    expect(refusal(() => planShare(service, "v2", 1000, false))).toStartWith("conflict: api:v2 is stopped");
    expect(refusal(() => planShare(service, "v9", 1000, false))).toBe(
      "not_found: there is no instance api:v9 | api has v1, v2",
    );
  });

  test("raw weights are set together and the unnamed keep theirs", () => {
    const service = api(member("v1", 10000), member("v2", 0), member("v3", 700));
    const named = new Map([
      ["v1", 5000],
      ["v2", 5000],
    ]);
    expect(plain(planRaw(service, named, false))).toEqual({ v1: 5000, v2: 5000, v3: 700 });
  });

  test("a sleeping instance that gets weight is woken first", () => {
    const service = api(member("v1", 10000), member("v2", 0, { healthy: false, sleeps: true }));
    expect(planShare(service, "v2", 10000, false).start).toEqual(["v2"]);
  });
});

describe("route", () => {
  test("without --from gives everything to one", () => {
    const service = api(member("v1", 5000), member("v2", 0), member("v3", 5000));
    expect(plain(planRoute(service, undefined, "v2", false))).toEqual({ v1: 0, v2: 10000, v3: 0 });
  });

  test("with --from moves one instance's weight", () => {
    const service = api(member("v1", 9000), member("v2", 1000));
    expect(plain(planRoute(service, "v1", "v2", false))).toEqual({ v1: 0, v2: 10000 });
  });

  test("from an instance whose weight has gone already changes nothing", () => {
    const service = api(member("v1", 0), member("v2", 10000));
    expect(plain(planRoute(service, "v1", "v2", false))).toEqual({ v1: 0, v2: 10000 });
  });

  test("from an instance without traffic to one without is refused", () => {
    const service = api(member("v1", 0), member("v2", 0), member("v3", 10000));
    expect(refusal(() => planRoute(service, "v1", "v2", false))).toStartWith(
      "conflict: api:v1 has no traffic to give",
    );
  });

  test("to one that is not healthy is refused unless forced or already so", () => {
    const sick = member("v2", 0, { healthy: false });
    expect(refusal(() => planRoute(api(member("v1", 10000), sick), undefined, "v2", false))).toStartWith(
      "unhealthy:",
    );
    expect(plain(planRoute(api(member("v1", 10000), sick), undefined, "v2", true))).toEqual({
      v1: 0,
      v2: 10000,
    });
    const there = api(member("v1", 0), { ...sick, weight: 10000 });
    expect(plain(planRoute(there, undefined, "v2", false))).toEqual({ v1: 0, v2: 10000 });
  });

  test("from and to the same is refused", () => {
    expect(refusal(() => planRoute(api(member("v1", 10000)), "v1", "v1", false))).toStartWith("usage:");
  });
});

describe("a version that several instances carry", () => {
  const v2 = (...weights: number[]) =>
    weights.map((weight, i) => member(`v2-${i + 1}`, weight, { version: "v2", deployed: 10 + i }));

  test("gets a weight, a route and a stop as an instance does", () => {
    const service = api(member("v1", 10000), ...v2(0, 0));
    expect(plain(planShare(service, "v2", 1000, false))).toEqual({ v1: 9000, "v2-1": 500, "v2-2": 500 });
    expect(plain(planRoute(service, "v1", "v2", false))).toEqual({ v1: 0, "v2-1": 5000, "v2-2": 5000 });
    expect(plain(planRaw(service, new Map([["v2", 5000]]), false))).toEqual({
      v1: 10000,
      "v2-1": 2500,
      "v2-2": 2500,
    });
    expect(plain(planStop(api(member("v1", 0), ...v2(5000, 5000)), ["v2-1"], false))).toEqual({
      v1: 0,
      "v2-2": 5000,
    });
    expect(refusal(() => planStop(api(member("v1", 0), ...v2(5000, 5000)), ["v2"], false))).toStartWith(
      "conflict:",
    );
  });

  test("is refused a route while one of its instances is not healthy", () => {
    const [first, second] = v2(0, 0);
    const service = api(
      member("v1", 10000),
      ...(first && second ? [first, { ...second, healthy: false }] : []),
    );
    expect(refusal(() => planRoute(service, undefined, "v2", false))).toStartWith(
      "unhealthy: api:v2 is not healthy",
    );
  });

  test("is rolled back as a whole", () => {
    const history = [change({ v1: 10000, "v2-1": 0, "v2-2": 0 }, { v1: 0, "v2-1": 5000, "v2-2": 5000 })];
    expect(plain(planRollback(api(member("v1", 0), ...v2(5000, 5000)), history))).toEqual({
      v1: 10000,
      "v2-1": 0,
      "v2-2": 0,
    });
  });
});

describe("stop", () => {
  test("of the only instance with traffic is refused while siblings run", () => {
    const service = api(member("v1", 10000), member("v2", 0));
    expect(refusal(() => planStop(service, ["v1"], false))).toStartWith(
      "conflict: that would leave api without",
    );
    expect(plain(planStop(service, ["v1"], true))).toEqual({ v2: 0 });
  });

  test("of the last instance of all is simply a stop", () => {
    expect(
      plain(planStop(api(member("v1", 10000), member("v0", 0, { runs: false })), ["v1"], false)),
    ).toEqual({});
  });

  test("is refused when another version's share would more than double and pass half", () => {
    const service = api(member("v1", 9000), member("v2", 1000));
    expect(refusal(() => planStop(service, ["v1"], false))).toStartWith(
      "conflict: api:v2 would go from 10 to 100 %",
    );
    expect(plain(planStop(service, ["v1"], true))).toEqual({ v2: 1000 });
    const three = api(member("v1", 8000), member("v2", 1500), member("v3", 500));
    expect(refusal(() => planStop(three, ["v1"], false))).toStartWith(
      "conflict: api:v2 would go from 15 to 75 %",
    );
  });

  test("is not refused for one of several of a version, for equals, and for what nobody doubles by", () => {
    const many = api(
      member("v1-1", 4500, { version: "v1" }),
      member("v1-2", 4500, { version: "v1" }),
      member("v2", 1000),
    );
    expect(plain(planStop(many, ["v1-1"], false))).toEqual({ "v1-2": 4500, v2: 1000 });
    expect(plain(planStop(api(member("v1", 5000), member("v2", 5000)), ["v1"], false))).toEqual({ v2: 5000 });
    const three = api(member("v1", 100), member("v2", 100), member("v3", 100));
    expect(plain(planStop(three, ["v1"], false))).toEqual({ v2: 100, v3: 100 });
  });

  test("leaves the siblings' weights alone", () => {
    expect(plain(planStop(api(member("v1", 9000), member("v2", 1000)), ["v2"], false))).toEqual({ v1: 9000 });
  });
});

describe("the weight of a new instance", () => {
  test.each([
    ["100 for the first", [], 10000],
    ["100 when only stopped ones are there", [member("v0", 0, { runs: false })], 10000],
    ["its siblings' when they are equal", [member("v1", 5000), member("v2", 5000), member("v3", 0)], 5000],
    ["0 when they differ", [member("v1", 9000), member("v2", 1000)], 0],
    ["0 when none has traffic", [member("v1", 0)], 0],
  ])("%s", (_, members, weight) => expect(spawnWeight(api(...members), "new")).toBe(weight));
});

describe("rollback", () => {
  test("of a version that was deployed again takes from it, not from the one that was deployed in between", () => {
    const history = [
      change({ v1: 0, v2: 10000 }, { v1: 1000, v2: 9000 }, 4),
      change({ v1: 0, v2: 10000 }, { v1: 0, v2: 10000 }, 3),
      change({ v1: 10000, v2: 0 }, { v1: 0, v2: 10000 }, 2),
      change({ v1: 0 }, { v1: 10000 }, 1),
    ];
    const again = member("v1", 1000, { deployed: 3, deployedAfter: 3 });
    expect(plain(planRollback(api(again, member("v2", 9000)), history))).toEqual({ v1: 0, v2: 10000 });
  });

  test("does not go back to what a version took in an earlier life", () => {
    const history = [
      change({ v1: 0, v2: 0 }, { v1: 10000, v2: 0 }, 5),
      change({ v0: 10000, v1: 0 }, { v0: 0, v1: 10000 }, 2),
    ];
    const again = member("v1", 10000, { deployed: 9, deployedAfter: 5 });
    expect(refusal(() => planRollback(api(again, member("v0", 0), member("v2", 0)), history))).toStartWith(
      "conflict: api has nothing older than v1 that took traffic",
    );
  });

  test("is not misled by an instance of the old version that was spawned later, without traffic", () => {
    const history = [change({ v1: 10000, v2: 0 }, { v1: 8000, v2: 2000 }, 2)];
    const more = { version: "v1", deployed: 3 };
    const members = [member("v1", 8000), member("v2", 2000)];
    for (const extra of [member("old", 0, { ...more, runs: false }), member("extra", 0, more)])
      expect(plain(planRollback(api(...members, extra), history))).toMatchObject({ v1: 10000, v2: 0 });
  });

  test("takes several instances that were deployed together as one, whenever each was started", () => {
    const history = [change({ a1: 10000, b1: 0, b2: 0 }, { a1: 0, b1: 5000, b2: 5000 }, 1)];
    const b = (id: string, deployed: number) => member(id, 5000, { version: "b", deployed });
    expect(
      plain(planRollback(api(member("a1", 0, { deployed: 2 }), b("b1", 1), b("b2", 3)), history)),
    ).toEqual({ a1: 10000, b1: 0, b2: 0 });
  });

  const canary = [
    change({ v1: 0, v2: 10000 }, { v1: 0, v2: 10000 }),
    change({ v1: 5000, v2: 5000 }, { v1: 0, v2: 10000 }),
    change({ v1: 9000, v2: 1000 }, { v1: 5000, v2: 5000 }),
    change({ v1: 10000, v2: 0 }, { v1: 9000, v2: 1000 }),
    change({}, { v1: 10000 }),
  ];

  test("goes back to before the newest version first got traffic, in one step", () => {
    expect(plain(planRollback(api(member("v1", 0), member("v2", 10000)), canary))).toEqual({
      v1: 10000,
      v2: 0,
    });
  });

  test("starts an instance that was stopped since", () => {
    const stopped = member("v1", 0, { runs: false, healthy: false });
    const plan = planRollback(api(stopped, member("v2", 10000)), canary);
    expect([plain(plan), plan.start]).toEqual([{ v1: 10000, v2: 0 }, ["v1"]]);
  });

  test("never goes towards a newer version", () => {
    const history = [
      change({ v1: 0, v2: 0, v3: 10000 }, { v1: 0, v2: 10000, v3: 0 }),
      change({ v1: 10000, v2: 0, v3: 0 }, { v1: 0, v2: 0, v3: 10000 }),
      change({}, { v1: 10000 }),
    ];
    const service = api(member("v1", 0), member("v2", 10000), member("v3", 0));
    expect(plain(planRollback(service, history))).toEqual({ v1: 10000, v2: 0, v3: 0 });
  });

  test("restores what the others had in this spell of traffic, not in an earlier one", () => {
    const history = [
      change({ v1: 10000, v2: 0 }, { v1: 0, v2: 10000 }),
      change({ v0: 5000, v1: 5000, v2: 0 }, { v0: 0, v1: 10000, v2: 0 }),
      change({ v0: 0, v1: 0, v2: 10000 }, { v0: 5000, v1: 5000, v2: 0 }),
      change({ v0: 5000, v1: 5000, v2: 0 }, { v0: 0, v1: 0, v2: 10000 }),
    ];
    const service = api(member("v0", 0), member("v1", 0), member("v2", 10000));
    expect(plain(planRollback(service, history))).toEqual({ v0: 0, v1: 10000, v2: 0 });
  });

  test("of the first version is refused", () => {
    const history = [change({}, { v1: 10000 })];
    expect(refusal(() => planRollback(api(member("v1", 10000)), history))).toStartWith(
      "conflict: api has nothing older than v1",
    );
  });

  test("--last undoes only the last change", () => {
    const service = api(member("v1", 5000), member("v2", 5000));
    expect(plain(planUndo(service, change({ v1: 9000, v2: 1000 }, { v1: 5000, v2: 5000 })))).toEqual({
      v1: 9000,
      v2: 1000,
    });
    expect(refusal(() => planUndo(service, undefined))).toStartWith("conflict: no change");
  });
});
