// The compiled executable: one file, two names, and nothing of the directory that it is started in.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { version } from "../../package.json";

let dir = "";
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "executable-"));
  await Bun.$`${process.execPath} ${import.meta.dir}/../../build.ts --outdir ${dir}`.quiet();
});
afterAll(() => rm(dir, { recursive: true }));

async function run(name: string, argv: string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([join(dir, name), ...argv], {
    cwd: dir,
    env: { PATH: process.env.PATH ?? "", ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, stdout, stderr };
}

test("its name picks the program, and so does its first word", async () => {
  const ten = { code: 0, stdout: `ten ${version}\n`, stderr: "" };
  const slum = { code: 0, stdout: `slum ${version}\n`, stderr: "" };
  expect(await run("ten", ["--version"])).toEqual(ten);
  expect(await run("slum", ["--version"])).toEqual(slum);
  expect(await run("ten", ["slum", "--version"])).toEqual(slum);
});

test("flags of Bun are not its flags", async () => {
  expect(await run("ten", ["--smol"])).toMatchObject({ code: 2, stdout: "" });
});

/** Who starts it with rights of its own must not thereby run code of theirs with them. */
test.skipIf(process.platform !== "linux").each([
  ["BUN_OPTIONS", "--help"],
  ["BUN_OPTIONS", "--preload ./elsewhere.ts"],
  ["BUN_BE_BUN", "1"],
  ["BUN_INSPECT_PRELOAD", "./elsewhere.ts"],
])("what Bun heeds in the environment it does not: %s=%s", async (name, value) => {
  await Bun.write(join(dir, "elsewhere.ts"), 'console.log("elsewhere");\n');
  expect(await run("ten", ["--version"], { [name]: value })).toEqual({
    code: 0,
    stdout: `ten ${version}\n`,
    stderr: "",
  });
});

test("two builds of one source are equal, byte for byte", async () => {
  const again = join(dir, "again");
  await Bun.$`${process.execPath} ${import.meta.dir}/../../build.ts --outdir ${again}`.quiet();
  const hashOf = async (path: string) => Bun.hash(await Bun.file(path).bytes());
  expect(await hashOf(join(again, "ten"))).toBe(await hashOf(join(dir, "ten")));
});

test("it runs no code from where it is started", async () => {
  await Bun.write(join(dir, "bunfig.toml"), 'preload = ["./preload.ts"]\n');
  await Bun.write(join(dir, "preload.ts"), 'console.log("preloaded");\n');
  expect((await run("ten", ["--version"])).stdout).toBe(`ten ${version}\n`);
});

test.each([
  ["slum", "servre"],
  ["ten", "constructor"],
  ["slum", "__proto__"],
])("an unknown command exits 2 and says so on stderr alone: %s %s", async (name, word) => {
  const { code, stdout, stderr } = await run(name, [word]);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toStartWith(`error: ${name} has no command "${word}"\nhint: `);
});
