// Output that cannot be written is an error of the command, of every command.
import { expect, test } from "bun:test";
import { openSync } from "node:fs";
import { createTempDir } from "../support/temp-dir.ts";

const DIST = `${import.meta.dir}/../../dist`;

const LINES: readonly (readonly [program: string, words: readonly string[]])[] = [
  ["ten", ["--version"]],
  ["ten", ["--help"]],
  ["ten", ["help", "deploy"]],
  ["ten", ["completion", "bash"]],
  ["ten", ["config"]],
  ["ten", ["config", "--json"]],
  ["ten", ["init"]],
  ["slum", ["--version"]],
  ["slum", ["server", "--help"]],
];

test.each(LINES)("%s %p to a full disk says so and exits 1", async (program, words) => {
  using temp = createTempDir();
  await Bun.write(temp.file("tenement.toml"), '[service.api]\ncommand = "./api"\n');
  const cwd = words[0] === "init" ? createTempDir() : undefined;
  using _ = cwd ?? { [Symbol.dispose]() {} };
  const child = Bun.spawn([`${DIST}/${program}`, ...words], {
    cwd: cwd?.path ?? temp.path,
    stdin: "ignore",
    stdout: openSync("/dev/full", "w"),
    stderr: "pipe",
  });
  const stderr = await new Response(child.stderr).text();
  expect([stderr.trim().split("\n").at(-1), await child.exited]).toEqual([
    "error: the output could not be written: there is no space left on its disk",
    1,
  ]);
});
