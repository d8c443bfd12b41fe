// Every undo command that the server names can be run from the page.
import { expect, test } from "bun:test";
import type { TenClient } from "../../../src/ten/api/contract.ts";
import { undoOf } from "../../../src/ten/page/undo.ts";

/** A client that answers every call with what was asked. */
const client = new Proxy({} as TenClient, {
  get: (_, name) => async (request: unknown) => ({ message: JSON.stringify([name, request]), undo: null }),
});
const run = async (command: string) => (await undoOf(client, command)?.())?.message;

test.each([
  [
    "ten weight api:v1=90 api:v2=0.5",
    ["setWeights", { body: { service: "api", weights: { v1: 90, v2: 0.5 } } }],
  ],
  ["ten stop api:v2", ["stop", { params: { instance: "api:v2" }, query: {} }]],
  ["ten rollback api --last", ["rollback", { body: { service: "api", last: true } }]],
  ["ten abort api", ["abortRollout", { params: { service: "api" }, body: {} }]],
  ["ten maintenance api off", ["maintenance", { params: { service: "api" }, body: { on: false } }]],
  ["ten spawn api:v1.2 --weight 0", ["spawn", { body: { service: "api", id: "v1.2", weight: 0 } }]],
])("%s", async (command, call) => {
  expect(await run(command)).toBe(JSON.stringify(call));
});

test("several follow each other, and what is not known is no button", async () => {
  const both = await run("ten spawn api:v1 --weight 0 && ten spawn api:v2 --weight 0");
  expect(both?.split("; ").length).toBe(2);
  for (const command of [
    "ten rm api:v1",
    "ten weight api:v1=1 web:v1=2",
    "ten weight api:v1",
    "rm -rf /",
    "",
  ])
    expect(undoOf(client, command)).toBeUndefined();
});
