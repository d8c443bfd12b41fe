// No request is lost to a release: constant load through everything that an operator does, and not one failure.

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type ConstantLoad, startLoad } from "../support/constant-load.ts";
import { until } from "../support/until.ts";
import { NO_PROCESS } from "../support/workers.ts";
import { startFleet } from "./fleet.ts";
import type { Ten } from "./ten.ts";

const HOST = "api.localhost";
const CONNECTIONS = 50;
/** How much load each step sees before the next one. */
const PER_STEP = 1_200;

function startLoadOn(ten: Ten, method: "GET" | "POST"): Promise<ConstantLoad> {
  const counted = async () => Object.values(await ten.ps()).reduce((sum, { requests }) => sum + requests, 0);
  return startLoad(ten.port, { host: HOST, connections: CONNECTIONS, method }, counted);
}

/** A whole week of releases, with load before, between and after. */
async function release(ten: Ten, load: ConstantLoad): Promise<void> {
  for (const words of [
    ["deploy", "api", "--version", "v2"],
    ["weight", "api:v2", "10"],
    ["weight", "api:v2", "50"],
    ["restart", "api:v1"],
    ["weight", "api:v2", "100"],
    ["route", "api", "--from", "v2", "--to", "v1"],
    ["stop", "api:v2"],
    ["deploy", "api", "--version", "v3", "--promote", "--stop-old"],
    ["reload"],
    ["rollback", "api"],
  ]) {
    await load.more(PER_STEP);
    await ten.ok(...words);
  }
  await load.more(PER_STEP);
}

describe("50 connections of constant load", () => {
  test("lose no request through deploy, weight, route, restart, stop, promote and rollback", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api:v1");
    await using load = await startLoadOn(ten, "GET");
    await release(ten, load);
    const { ok, failed, instances } = await load.end();
    expect(failed).toEqual({});
    expect(ok).toBeGreaterThan(10_000);
    expect(Object.keys(instances).sort()).toEqual(["api:v1", "api:v2", "api:v3"]);
  });

  test.each([1, 2])(
    "of POSTs through %i workers are each seen once by an app: none lost, none twice",
    async (workers) => {
      await using ten = await startFleet({ settings: `workers = ${workers}` });
      await ten.ok("deploy", "api:v1");
      await using load = await startLoadOn(ten, "POST");
      await release(ten, load);
      const { ok, failed, answered } = await load.end();
      expect(failed).toEqual({});
      expect(ok).toBeGreaterThan(10_000);
      const logs = ["v1", "v2", "v3"].map((id) =>
        readFileSync(`${ten.dataDir}/api/_logs/${id}/stdout.log`, "utf8"),
      );
      const seen = logs.flatMap((log) => [...log.matchAll(/^seen (id-\d+)$/gm)].map(([, id = ""]) => id));
      expect(seen.length).toBe(new Set(seen).size);
      expect([...answered].sort()).toEqual([...seen].sort());
    },
    180_000,
  );

  test("are cut only where they were on an instance that was killed, and nothing that starts afterwards fails", async () => {
    await using ten = await startFleet();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2", "--weight", "50");
    await using load = await startLoadOn(ten, "GET");
    await load.more(PER_STEP);
    const { "api:v1": before } = await ten.ps();
    process.kill(before?.pid ?? NO_PROCESS, "SIGKILL");
    await until("it is back", async () => {
      const { "api:v1": now } = await ten.ps();
      return now?.state === "healthy" && now.pid !== before?.pid;
    });
    await load.more(PER_STEP);
    const { failed } = await load.end();
    // GET may be repeated: what the exit cut was answered by the other.
    expect(failed).toEqual({});
  });
});
