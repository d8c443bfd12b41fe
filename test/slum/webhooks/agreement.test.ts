// What slums agree on: the majority of those that have checked a server lately, and nothing while they disagree.
import { describe, expect, test } from "bun:test";
import {
  formatObservations,
  type Observation,
  type Observations,
  parseObservations,
} from "../../../src/slum/registry/observations.ts";
import { agreedOn } from "../../../src/slum/webhooks/agreement.ts";

const iad = { id: "iad", url: "https://iad.example.com", region: undefined, drained: false };
const online: Observation = { status: "online", failures: 0 };
const doubtful: Observation = { status: "doubtful", failures: 1, failingSinceMs: 90_000 };
const offlineSince = (failingSinceMs: number): Observation => ({
  status: "offline",
  failures: 3,
  failingSinceMs,
  error: "connection refused",
});

function agree(...seen: readonly (Observation | undefined)[]) {
  const views = seen.map((one): Observations => new Map(one ? [["iad", one]] : []));
  const { isOnline, isOffline, failingSinceMs } = agreedOn(iad, views);
  return [isOnline ? "online" : isOffline ? "offline" : "open", failingSinceMs];
}

describe("a server", () => {
  test("is what the only slum that looks sees, and unknown to all while nobody has looked", () => {
    expect(agree(online)).toEqual(["online", undefined]);
    expect(agree(offlineSince(5_000))).toEqual(["offline", 5_000]);
    expect(agree(undefined)).toEqual(["open", undefined]);
  });

  test("is what two of three see, failing since the second of them has seen nothing else", () => {
    expect(agree(offlineSince(5_000), online, online)).toEqual(["online", undefined]);
    expect(agree(offlineSince(5_000), offlineSince(9_000), online)).toEqual(["offline", 9_000]);
    expect(agree(offlineSince(5_000), offlineSince(9_000), offlineSince(7_000))).toEqual(["offline", 7_000]);
  });

  test("is nothing yet while half of them disagree, or have only begun to doubt", () => {
    expect(agree(offlineSince(5_000), online)).toEqual(["open", undefined]);
    expect(agree(offlineSince(5_000), doubtful)).toEqual(["open", 90_000]);
  });

  test("is not judged by those that have not looked", () => {
    expect(agree(offlineSince(5_000), undefined, undefined)).toEqual(["offline", 5_000]);
  });
});

test("word that is left is read as it was written, to the second", () => {
  const seen: Observations = new Map([
    ["iad", online],
    ["fra", offlineSince(5_400)],
  ]);
  expect(parseObservations(formatObservations(seen))).toEqual(
    new Map([
      ["iad", { ...online, failingSinceMs: undefined }],
      ["fra", offlineSince(5_000)],
    ]),
  );
});
