// Deploys that fail: which of all the reasons it was, and nothing of the old version's traffic touched.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { openGate, startFleet } from "./fleet.ts";
import { isAlive, startTen, type Ten } from "./ten.ts";

const HOST = "api.localhost";
let ten: Ten;
beforeAll(async () => {
  ten = await startFleet();
  await ten.ok("deploy", "api:v1");
});
afterAll(() => ten[Symbol.asyncDispose]());

interface Failure {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly hint: string;
    readonly details: {
      readonly cause: string;
      readonly last_check: string | null;
      readonly last_exit: string | null;
      readonly port: number | null;
      readonly listening: readonly number[] | null;
      readonly output: readonly string[];
    };
  };
}

async function fail(version: string) {
  const { exit, stdout, stderr } = await ten.run(
    "deploy",
    "api",
    "--version",
    version,
    "--timeout",
    "1",
    "--json",
  );
  expect([exit, stderr]).toEqual([5, ""]);
  const { error } = JSON.parse(stdout) as Failure;
  expect(error.code).toBe("unhealthy");
  expect(error.message).toStartWith("the deploy failed: ");
  expect(error.message).toEndWith("The other versions keep their traffic");
  const { "api:v1": old, [`api:${version}`]: row } = await ten.ps();
  expect(old).toMatchObject({ state: "healthy", weight: 100, share: 100 });
  expect(row).toMatchObject({ state: "stopped", weight: 0, pid: null, port: null });
  expect(await ten.split(HOST, 5)).toEqual({ "api:v1": 5 });
  return error;
}

describe("a deploy that fails", () => {
  test("because the app crashes says its exit code and its last 20 lines", async () => {
    const { message, details } = await fail("crash");
    expect(message).toContain("api:crash crashed: it exited with code 7");
    expect(details).toMatchObject({ cause: "crashed", last_exit: "exited with code 7" });
    expect(details.output).toHaveLength(20);
    expect(details.output).toContain("line 30");
    expect(details.output).toContain("no database");
    const logs = await ten.ok("logs", "api:crash");
    expect(logs.stdout).toContain("line 1\n");
    expect(logs.stdout).toContain("no database\n");
  });

  test("because the app is killed says the signal", async () => {
    const { message, details } = await fail("killed");
    expect(message).toContain("it was killed by SIGKILL");
    expect(details).toMatchObject({ cause: "crashed", last_exit: "was killed by SIGKILL" });
  });

  test("because the app is never healthy says what the last check saw, and ends it", async () => {
    const { message, details } = await fail("sick");
    expect(message).toContain("the deploy failed: api:sick was not healthy within 1 s.");
    expect(details.cause).toBe("unhealthy");
    expect(details.last_check).toContain("503");
    const [pid] = details.output.flatMap((line) => /my pid is (\d+)/.exec(line)?.[1] ?? []);
    expect(Number(pid)).toBeGreaterThan(1);
    expect(isAlive(Number(pid))).toBe(false);
  });

  test("because the app listens on the wrong port says on which", async () => {
    const { message, hint, details } = await fail("elsewhere");
    const [port] = details.output.flatMap((line) => /I listen on (\d+)/.exec(line)?.[1] ?? []);
    expect(message).toContain(`listens on the wrong port: on ${port}, not on its PORT ${details.port}`);
    expect(hint).toContain("{port}");
    expect(details).toMatchObject({ cause: "wrong_port", listening: [Number(port)] });
  });

  test("because the app listens on no port says so", async () => {
    const { message, details } = await fail("silent");
    expect(message).toContain("api:silent listens on no port");
    expect(details).toMatchObject({ cause: "not_listening", listening: [] });
  });

  test("because its directory is missing says which", async () => {
    const { message, details } = await fail("nowhere");
    expect(message).toContain(`directory "${ten.dir}/releases/nowhere" does not exist`);
    expect(message).not.toContain("crashed");
    expect(details.cause).toBe("not_started");
  });

  test("takes the grandchildren of the app with it, though nothing of it listens to SIGTERM", async () => {
    await ten.ok("deploy", "api:stubborn");
    const { stdout } = await ten.ok("logs", "api:stubborn");
    const pids = [...stdout.matchAll(/(?:grand)?child (\d+)/g)].map(([, pid]) => Number(pid));
    expect(pids).toHaveLength(2);
    expect(pids.map(isAlive)).toEqual([true, true]);
    await ten.ok("stop", "api:stubborn");
    expect(pids.map(isAlive)).toEqual([false, false]);
  });

  test("tells people the same on stderr, and nothing on stdout", async () => {
    const { exit, stdout, stderr } = await ten.run("deploy", "api:crash", "--timeout", "1");
    expect([exit, stdout]).toEqual([5, ""]);
    expect(stderr).toContain("error: the deploy failed: api:crash crashed: it exited with code 7");
    expect(stderr).toContain("    no database\n");
    expect(stderr).toContain("hint: ");
  });

  test("again, with the same version, shows only what this try wrote", async () => {
    const tries = [await fail("silent"), await fail("silent"), await fail("silent")];
    for (const { details } of tries) expect(details.output).toEqual(["I listen on nothing"]);
  });

  test("is made good by the next one of the same name", async () => {
    expect((await ten.run("deploy", "api:gated", "--timeout", "0.5")).exit).toBe(5);
    await openGate(ten);
    await ten.ok("deploy", "api:gated", "--weight", "50");
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 5, "api:gated": 5 });
    await ten.ok("weight", "api:gated", "0");
    await ten.ok("stop", "api:gated");
  });
});

test("a command that does not exist fails the deploy and is named", async () => {
  await using lost = await startTen({ toml: '[service.api]\ncommand = "./bin/{version}/serve"\n' });
  const { exit, stderr } = await lost.run("deploy", "api:v1");
  expect(exit).toBe(5);
  const path = `${lost.dir}/bin/v1/serve`;
  expect(stderr).toContain(`cannot start "${path}": command not found: no file "${path}"`);
  expect(stderr).toContain("hint: check the path in command");
  expect(stderr).not.toContain("null");
  expect((await lost.ps())["api:v1"]).toMatchObject({ state: "stopped", weight: 0 });
});
