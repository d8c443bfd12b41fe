// The command that a change prints to undo it restores what was before, word for word.
import { describe, expect, test } from "bun:test";
import { startTen, type Ten, untilState } from "./ten.ts";

/** The weights of what runs. */
async function weights(ten: Ten): Promise<Record<string, number>> {
  const { split } = await ten.json<{ split: { id: string; weight: number }[] }>("weight", "api");
  return Object.fromEntries(split.map(({ id, weight }) => [id, weight]));
}

/** Runs a change, then what it prints, if anything; answers the command and the weights after each of the two. */
async function thereAndBack(ten: Ten, ...words: string[]) {
  const { undo } = await ten.json<{ undo: string | null }>(...words);
  const after = await weights(ten);
  for (const line of undo?.split(" && ") ?? []) await ten.ok(...line.split(" ").slice(1));
  return { undo, after, back: await weights(ten) };
}

describe("the undo that is printed", () => {
  test("by stop starts the instance again, with the weight it had", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2", "--weight", "40");
    expect(await thereAndBack(ten, "stop", "api:v1", "--force")).toEqual({
      undo: "ten rollback api --last",
      after: { "api:v2": 40 },
      back: { "api:v1": 60, "api:v2": 40 },
    });
    await ten.ok("route", "api", "--to", "v2");
    expect(await thereAndBack(ten, "stop", "api:v1")).toEqual({
      undo: "ten spawn api:v1 --weight 0",
      after: { "api:v2": 100 },
      back: { "api:v1": 0, "api:v2": 100 },
    });
  });

  test("by a rollback is foreseen by --dry-run, which changes nothing", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2", "--promote", "--stop-old");
    const ahead = await ten.json<{ split: { id: string; weight: number; share: number }[] }>(
      "rollback",
      "api",
      "--dry-run",
    );
    expect(ahead).toMatchObject({ changed: false, undo: null, message: "would roll back to v1" });
    expect(ahead.split.map(({ id, weight, share }) => [id, weight, share])).toEqual([
      ["api:v1", 100, 100],
      ["api:v2", 0, 0],
    ]);
    expect(await weights(ten)).toEqual({ "api:v2": 100 });
    await ten.ok("rollback", "api");
    expect(await weights(ten)).toEqual({ "api:v1": 100, "api:v2": 0 });
    const none = await ten.run("rollback", "api", "--dry-run");
    expect([none.exit, none.stderr]).toEqual([4, expect.stringContaining("nothing older than v1")]);
  });

  test("by a stop of all brings all back", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2", "--weight", "40");
    expect(await thereAndBack(ten, "stop", "api", "--all")).toEqual({
      undo: "ten rollback api --last",
      after: {},
      back: { "api:v1": 60, "api:v2": 40 },
    });
  });

  test("by deploy --promote --stop-old starts the old version first", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    expect(await thereAndBack(ten, "deploy", "api:v2", "--promote", "--stop-old")).toEqual({
      undo: "ten rollback api --last",
      after: { "api:v2": 100 },
      back: { "api:v1": 100, "api:v2": 0 },
    });
  });

  test("by spawn stops what was spawned, and nothing else", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    for (const weight of ["100", "0"]) {
      expect(await thereAndBack(ten, "spawn", "api:v2", "--weight", weight)).toEqual({
        undo: "ten stop api:v2",
        after: { "api:v1": 100, "api:v2": Number(weight) },
        back: { "api:v1": 100 },
      });
    }
    await untilState(ten, "api:v2", "stopped");
  });

  test("is missing where nothing was done", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    await ten.ok("spawn", "api:v2", "--weight", "0");
    await ten.ok("stop", "api:v2");
    const same = { undo: null, after: { "api:v1": 100 }, back: { "api:v1": 100 } };
    expect(await thereAndBack(ten, "stop", "api:v2")).toEqual(same);
    expect(await thereAndBack(ten, "route", "api", "--to", "v1")).toEqual(same);
    expect(await thereAndBack(ten, "deploy", "api:v1")).toEqual(same);
  });
});
