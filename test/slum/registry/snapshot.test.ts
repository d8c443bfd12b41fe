// The snapshot that a slum starts with while its registry is away: read whole or not at all, and not in silence.
import { expect, test } from "bun:test";
import { readSnapshot } from "../../../src/slum/registry/snapshot.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const HEAD = '{"savedAt":5,"addresses":{"h":"127.0.0.1"},"servers":1,"tenants":1}';
/** As a version before this one has written it. */
const IAD = '{"seq":1,"id":"iad","url":"http://h:1"}';
const ACME = '{"seq":1,"id":"acme","domain":"acme.example.com"}';

async function read(text: string) {
  using temp = createTempDir();
  const path = temp.file("snapshot.json");
  await Bun.write(path, text);
  const told: string[] = [];
  const snapshot = readSnapshot(path, (line) => told.push(line.replace(path, "FILE")));
  return { snapshot, told };
}

test("a whole snapshot is read, and columns that an older one lacks have their defaults", async () => {
  const { snapshot, told } = await read(`${HEAD}\n${IAD}\n${ACME}\n`);
  expect(told).toEqual([]);
  expect(snapshot).toMatchObject({
    savedAt: 5,
    servers: [{ id: "iad", host: "auto", keepsHost: null, lastErrorAt: null }],
    tenants: [{ id: "acme" }],
  });
});

test.each([
  ["that is cut off in a row", `${HEAD}\n${IAD}\n${ACME.slice(0, 9)}`],
  ["that is cut off between rows", `${HEAD}\n${IAD}\n`],
  ["that is empty", ""],
  ["of something else", "SQLite format 3"],
])("a snapshot %s is not used, and that is said", async (_, text) => {
  const { snapshot, told } = await read(text);
  expect([snapshot, told]).toEqual([
    undefined,
    [expect.stringContaining("the snapshot FILE is damaged and not used")],
  ]);
});

test("no snapshot is nothing to speak of", () => {
  const told: string[] = [];
  expect([readSnapshot("/nonexistent/snapshot.json", (line) => told.push(line)), told]).toEqual([
    undefined,
    [],
  ]);
});
