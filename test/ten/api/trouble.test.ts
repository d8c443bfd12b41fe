// Which service comes first, and what is done about it.
import { expect, test } from "bun:test";
import type { InstanceView, ServiceRate } from "../../../src/ten/api/shapes.ts";
import { beginOf, remedyOf, statesOf, troubledFirst } from "../../../src/ten/api/trouble.ts";

const one = (id: string, more: Partial<InstanceView> = {}) =>
  ({
    id: `api:${id}`,
    service: "api",
    version: id,
    state: "healthy",
    weight: 50,
    share: 50,
    deployed: 1,
    ...more,
  }) as InstanceView;
const rate = (comparison: Partial<ServiceRate["comparison"]> = {}) =>
  ({
    service: "api",
    comparison: { worse: null, text: "", trouble: null, since: null, ...comparison },
  }) as ServiceRate;
const WORSE = rate({ worse: "v2", trouble: "fails" });

test("what no visitor gets comes first, what nobody is sent to last", () => {
  const failed = (weight: number) => one("v2", { state: "failed", weight, share: 0 });
  const services = [
    ["well", [one("v1")]],
    ["idle", [one("v1"), failed(0)]],
    ["worse", [one("v1"), one("v2")]],
    ["partly", [one("v1"), failed(50)]],
    ["down", [failed(50)]],
  ] as const;
  const rates = new Map([["worse", WORSE]]);
  expect(troubledFirst(services, rates).map(([name]) => name)).toEqual([
    "down",
    "partly",
    "worse",
    "idle",
    "well",
  ]);
});

test("the newest version is taken back; from an older one the way is on", () => {
  const [old, young] = [one("v1", { deployed: 1 }), one("v2", { deployed: 2 })];
  expect(remedyOf(WORSE, [old, young])?.command).toBe("ten rollback api");
  expect(remedyOf(rate({ worse: "v1", trouble: "slow" }), [old, young])?.command).toBe(
    "ten route api --to v2",
  );
  expect(remedyOf(rate({ trouble: "fails" }), [old])).toBeUndefined();
  expect(remedyOf(rate({ trouble: "fails" }), [old, one("v0", { share: 0, deployed: 0 })])?.command).toBe(
    "ten rollback api",
  );
});

test("only what has a part in it is degraded", () => {
  expect(statesOf(one("v2"), WORSE)).toEqual(["healthy", "degraded"]);
  expect(statesOf(one("v1"), WORSE)).toEqual(["healthy"]);
  expect(statesOf(one("v2", { share: 0 }), WORSE)).toEqual(["healthy"]);
  expect(statesOf(one("v1"), rate({ trouble: "fails" }))).toEqual(["healthy", "degraded"]);
  expect(statesOf(one("v1"), undefined)).toEqual(["healthy"]);
});

test("a change just before is what it began with, and it did not begin before the change", () => {
  const at = (time: string) => `2026-01-01T00:0${time}.000Z`;
  const change = {
    service: "api",
    at: at("1:07"),
    command: "deploy api:v2",
    by: null,
    before: {},
    after: {},
  };
  const since = (time: string) => beginOf({ ...WORSE.comparison, since: at(time) }, change);
  expect(since("1:00")).toEqual({ sinceMs: Date.parse(at("1:07")), change });
  expect(since("1:50")).toEqual({ sinceMs: Date.parse(at("1:50")), change });
  expect(since("3:00")).toEqual({ sinceMs: Date.parse(at("3:00")), change: undefined });
  expect(beginOf(WORSE.comparison, change)).toBeUndefined();
});
