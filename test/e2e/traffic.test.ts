// How traffic is divided, seen from outside: real processes behind the compiled binary.
import { describe, expect, test } from "bun:test";
import { startTen, untilState } from "./ten.ts";

const HOST = "api.localhost";

describe("the traffic distribution", () => {
  test("follows a canary exactly: 10, 50, 100", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api", "--version", "v1");
    expect(await ten.split(HOST, 100)).toEqual({ "api:v1": 100 });
    await ten.ok("deploy", "api", "--version", "v2", "--weight", "10");
    expect(await ten.split(HOST, 1000, 8)).toEqual({ "api:v1": 900, "api:v2": 100 });
    await ten.ok("weight", "api:v2", "50");
    expect(await ten.split(HOST, 1000, 8)).toEqual({ "api:v1": 500, "api:v2": 500 });
    await ten.ok("weight", "api:v2", "100");
    expect(await ten.split(HOST, 1000, 8)).toEqual({ "api:v2": 1000 });
  });

  test("is 80/20 with raw weights, without bursts", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2");
    await ten.ok("weight", "api:v1=80", "api:v2=20");
    const order: (string | null)[] = [];
    for (let i = 0; i < 50; i++) order.push((await ten.get(HOST)).instance);
    for (let start = 0; start + 5 <= order.length; start++) {
      expect(order.slice(start, start + 5).filter((one) => one === "api:v2")).toHaveLength(1);
    }
  });

  test("three at 100 share equally, then one at 50 leaves 25 to each other", async () => {
    await using ten = await startTen();
    for (const id of ["a", "b", "c"]) await ten.ok("spawn", `api:${id}`);
    for (const id of ["a", "b", "c"]) await untilState(ten, `api:${id}`, "healthy");
    expect(await ten.split(HOST, 300, 4)).toEqual({ "api:a": 100, "api:b": 100, "api:c": 100 });
    await ten.ok("weight", "api:c", "50");
    expect(await ten.split(HOST, 400, 4)).toEqual({ "api:a": 100, "api:b": 100, "api:c": 200 });
  });

  test("99 then 10 with three siblings keeps their proportions", async () => {
    await using ten = await startTen();
    for (const id of ["a", "b", "c", "d"]) await ten.ok("spawn", `api:${id}`);
    for (const id of ["a", "b", "c", "d"]) await untilState(ten, `api:${id}`, "healthy");
    const weights = async () => {
      const { split } = await ten.json<{ split: { id: string; weight: number }[] }>("weight", "api");
      return Object.fromEntries(split.map(({ id, weight }) => [id, weight]));
    };
    await ten.ok("weight", "api:d", "99");
    expect(await weights()).toEqual({ "api:a": 0.34, "api:b": 0.33, "api:c": 0.33, "api:d": 99 });
    await ten.ok("weight", "api:d", "10");
    expect(await weights()).toEqual({ "api:a": 30.6, "api:b": 29.7, "api:c": 29.7, "api:d": 10 });
    expect(await ten.split(HOST, 1000, 4)).toEqual({
      "api:a": 306,
      "api:b": 297,
      "api:c": 297,
      "api:d": 100,
    });
  });

  test("keeps weights over a restart and a crash of the server", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api", "--version", "v2", "--weight", "10");
    const pids = async () =>
      (await ten.json<{ instances: { id: string; pid: number; weight: number }[] }>("ps")).instances.map(
        ({ id, pid, weight }) => ({ id, pid, weight }),
      );
    const before = await pids();
    ten.kill("SIGKILL");
    await ten.exited;
    await ten.start();
    expect(await pids()).toEqual(before);
    expect(await ten.split(HOST, 100)).toEqual({ "api:v1": 90, "api:v2": 10 });
    ten.kill("SIGTERM");
    expect(await ten.exited).toBe(0);
    await ten.start();
    await untilState(ten, "api:v1", "healthy");
    await untilState(ten, "api:v2", "healthy");
    const after = await pids();
    expect(after.map(({ id, weight }) => ({ id, weight }))).toEqual(
      before.map(({ id, weight }) => ({ id, weight })),
    );
    expect(after.map(({ pid }) => pid)).not.toEqual(before.map(({ pid }) => pid));
    expect(await ten.split(HOST, 100)).toEqual({ "api:v1": 90, "api:v2": 10 });
  });

  test("keeps its counters over publishes that change no weight", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api", "--version", "v2", "--weight", "10");
    const seen: Record<string, number> = {};
    // Every spawn, stop and rm of an instance without weight publishes; with fresh counters v2 would never be picked.
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 5; i++) {
        const { instance } = await ten.get(HOST);
        seen[instance ?? ""] = (seen[instance ?? ""] ?? 0) + 1;
      }
      await ten.ok("health", "api:v1");
      if (round % 5 === 0) {
        await ten.ok("spawn", `api:x${round}`, "--weight", "0");
        await ten.ok("stop", `api:x${round}`);
      }
    }
    expect(seen).toEqual({ "api:v1": 90, "api:v2": 10 });
  });
});
