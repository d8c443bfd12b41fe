// Every package in the executable is named with the whole text of its license.
import { expect, test } from "bun:test";
import { dependencies } from "../../package.json";

test.each(["ten", "slum"])("%s licenses names every package, and Bun with what it links", async (program) => {
  const { stdout, exitCode } = Bun.spawnSync([
    `${import.meta.dir}/../../dist/${program}`,
    "licenses",
    "--json",
  ]);
  expect(exitCode).toBe(0);
  const { notices } = JSON.parse(stdout.toString()) as {
    notices: { name: string; version: string; license: string; text: string }[];
  };
  const versions = Object.fromEntries(notices.map(({ name, version }) => [name, version]));
  expect(versions).toEqual({ ...dependencies, bun: Bun.version });
  for (const { name, license, text } of notices) {
    expect([name, license]).toEqual([name, expect.stringMatching(/MIT|Apache|BSD/)]);
    expect([name, text.length > 800]).toEqual([name, true]);
  }
  expect(notices.at(-1)?.text).toContain("JavaScriptCore");
});
