// Commands as people write them who come from other tools: understood where there is one meaning, else answered with the right line.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { otherCommands as slumWords } from "../../src/slum/commands/other-words.ts";
import { slum } from "../../src/slum/program.ts";
import { otherCommands as tenWords } from "../../src/ten/commands/other-words.ts";
import { ten as program } from "../../src/ten/program.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { runTen, startTen, type Ten } from "./ten.ts";

let ten: Ten;
beforeAll(async () => {
  ten = await startTen();
});
afterAll(() => ten[Symbol.asyncDispose]());

const said = async (line: string) => {
  const { exit, stdout, stderr } = await ten.run(...line.split(" "));
  return { exit, text: stdout + stderr };
};

test("a service and an id may be two words", async () => {
  expect((await said("deploy api v1")).exit).toBe(0);
  expect((await said("deploy api v2 --weight 10")).text).toContain("api:v2");
  expect((await said("weight api v2 20")).text).toContain("api:v2 has 20 % of api");
  expect((await said("logs api v2")).exit).toBe(0);
  expect((await said("health api v2")).text).toStartWith("api:v2 is healthy");
  expect((await said("ps api v2")).text).not.toContain("api:v1 ");
  expect((await said("spawn api v3")).text).toContain("api:v3");
  expect((await said("deploy api v4 --version v5")).text).toContain("name different instances");
});

test("a service is all of its instances, where each can be meant", async () => {
  expect((await said("health api")).text.match(/check passed/g)).toHaveLength(3);
  const before = await ten.ps();
  expect((await said("restart api")).text.match(/is healthy on port/g)).toHaveLength(3);
  const after = await ten.ps();
  for (const [id, { pid }] of Object.entries(before)) expect(after[id]?.pid).not.toBe(pid as number);
  expect((await said("ps nosuch")).exit).toBe(3);
  expect((await said("ps api:v9")).text).toContain("there is no instance api:v9");
});

test("route takes where from and where to as words, maintenance its words in either order", async () => {
  expect((await said("route api v2 v1")).text).toContain("the traffic of v2 goes to v1");
  expect((await said("route api v2")).exit).toBe(0);
  expect((await ten.ps())["api:v2"]?.weight).toBe(100);
  expect((await said("maintenance on api")).exit).toBe(0);
  expect((await said("maintenance off api")).exit).toBe(0);
});

describe("what only other tools have is answered with the line that does it", () => {
  test.each([
    ["list", "ten ps"],
    ["status api", "ten ps --all api"],
    ["kill api:v1", "ten stop api:v1"],
    ["scale api 3", "--instances 3"],
    ["rollback api v1", "ten route api --to v1"],
    ["logs api --tail 5", "-n 50"],
    ["serve -d", "ten install"],
    ["ps --format json", "--json"],
    ["slum drain iad", "slum server drain iad"],
    ["slum servers", "slum server list"],
    ["slum server rm iad", "slum server delete iad"],
    ["slum tenant show", "slum tenant list --json"],
  ])("ten %s", async (line, answer) => {
    const { exit, text } = await said(line);
    expect([exit, text]).toEqual([2, expect.stringContaining(answer)]);
  });

  test("and none of it is a command of ours", () => {
    for (const [{ sections }, words] of [
      [program, tenWords],
      [slum, slumWords],
    ] as const) {
      const own = Object.values(sections).flatMap((commands) => Object.keys(commands));
      expect(Object.keys(words).filter((word) => own.includes(word))).toEqual([]);
    }
  });
});

test("what is missing is called by its own name, and --server goes on beside a word of that name", async () => {
  using dir = createTempDir();
  const missing = await runTen(dir.path, ["slum", "tenant", "move", "acme"]);
  expect([missing.exit, missing.stderr]).toEqual([
    2,
    expect.stringContaining("slum tenant move needs SERVER"),
  ]);
  const away = await runTen(dir.path, [
    "slum",
    "server",
    "check",
    "iad",
    "--server",
    "http://127.0.0.1:1",
    "--token",
    "x",
  ]);
  expect([away.exit, away.stderr]).toEqual([6, expect.stringContaining("no answer from http://127.0.0.1:1")]);
  for (const word of ["-v", "-V", "version"])
    expect((await runTen(dir.path, [word])).stdout).toStartWith("ten ");
});
