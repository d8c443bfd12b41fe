// What the dashboard says a change would do, before it is done.
import { expect, test } from "bun:test";
import type { SplitView } from "../../../src/ten/api/shapes.ts";
import { type Outlook, outlook, versionShares } from "../../../src/ten/page/plan.ts";

const one = (id: string, weight: number, share: number, state: SplitView[number]["state"] = "healthy") => ({
  id: `api:${id}`,
  instance: `api:${id}`,
  service: "api",
  version: id,
  state,
  weight,
  share,
});
const SPLIT = [one("v1", 90, 90), one("v2", 10, 10), one("v3", 0, 0, "unhealthy")];

const then = ({ lines }: Outlook) => lines.map(({ after }) => after?.share);

test("a weight scales the others, in hundredths", () => {
  const found = outlook("api", SPLIT, { kind: "weight", id: "v2", percent: 33.33 });
  expect([then(found), found.fault]).toEqual([[66.67, 33.33, 0], undefined]);
  expect(found.lines[0]).toEqual({
    id: "api:v1",
    version: "v1",
    before: { weight: 90, share: 90 },
    after: { weight: 66.67, share: 66.67 },
  });
});

test("a route gives all, or one's part", () => {
  expect(then(outlook("api", SPLIT, { kind: "route", from: undefined, to: "v2" }))).toEqual([0, 100, 0]);
  expect(then(outlook("api", [...SPLIT], { kind: "route", from: "v2", to: "v1" }))).toEqual([100, 0, 0]);
});

test("a stop leaves the rest to the others", () => {
  expect(then(outlook("api", SPLIT, { kind: "stop", id: "v1" }))).toEqual([undefined, 100, 0]);
});

test("what the server would refuse is told as the server tells it, and what force would do is shown", () => {
  const refused = outlook("api", SPLIT, { kind: "route", from: undefined, to: "v3" });
  expect(refused.fault).toMatchObject({
    code: "unhealthy",
    message: "api:v3 is not healthy, so nothing was changed",
    hint: expect.stringContaining("--force"),
  });
  expect(then(refused)).toEqual([0, 0, 100]);
  const alone = outlook("api", [one("v1", 100, 100)], { kind: "weight", id: "v1", percent: 50 });
  expect([alone.fault?.code, then(alone)]).toEqual(["conflict", [100]]);
});

test("a version has what its instances have together", () => {
  const instances = [
    { version: "v1", share: 33.34 },
    { version: "v2", share: 33.33 },
    { version: "v1", share: 33.33 },
  ];
  expect(versionShares(instances)).toEqual([
    { version: "v1", share: 66.67 },
    { version: "v2", share: 33.33 },
  ]);
});
