// Where the data lies when nobody says so.
import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { loadConfig } from "../../../src/ten/config/config.ts";
import { defaultDataDir, forgottenDataDir, servingService } from "../../../src/ten/config/data-dir.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const isRoot = process.getuid?.() === 0;

function setUp() {
  const temp = createTempDir();
  const directory = temp.file("My Shop");
  mkdirSync(directory);
  const file = `${directory}/tenement.toml`;
  writeFileSync(file, "[service.web]\ncommand = 'x'");
  const env = { XDG_STATE_HOME: temp.file("state") };
  return { file, directory, env, state: env.XDG_STATE_HOME, [Symbol.dispose]: () => temp[Symbol.dispose]() };
}

test("it is outside of the app, named by its directory and the file's path", () => {
  using at = setUp();
  const found = defaultDataDir(at.file, at.env);
  expect(found).toMatch(/\/ten\/My-Shop-[0-9a-f]{8}$/);
  expect(found).toStartWith(isRoot ? "/var/lib/ten/" : `${at.state}/ten/`);
  expect(defaultDataDir(`${at.directory}/other.toml`, at.env)).not.toBe(found);
  symlinkSync(at.directory, `${at.directory}/again`);
  expect(defaultDataDir(`${at.directory}/again/tenement.toml`, at.env)).toBe(found);
});

test("what earlier versions left beside the file goes on, and is said", () => {
  using at = setUp();
  mkdirSync(`${at.directory}/tenement-data`);
  expect(defaultDataDir(at.file, at.env)).not.toContain("tenement-data");
  writeFileSync(`${at.directory}/tenement-data/ten.db`, "");
  const { settings, warnings } = loadConfig(at.directory, undefined, { env: at.env });
  expect(settings.dataDir).toBe(`${at.directory}/tenement-data`);
  expect(warnings.join()).toContain("lies in the workdir of web, which may serve it to visitors");
  expect(warnings.join()).toContain(`mv ${at.directory}/tenement-data `);
  writeFileSync(at.file, "[service.web]\ncommand = 'x'\nworkdir = 'releases/{version}'");
  const [warning] = loadConfig(at.directory, undefined, { env: at.env }).warnings;
  expect(warning).toContain("lies where earlier versions had it");
});

test("the file decides, with a warning when a service may serve it", () => {
  using at = setUp();
  const load = (text: string) => {
    writeFileSync(at.file, text);
    return loadConfig(at.directory, undefined, { env: at.env });
  };
  const inside = load("[settings]\ndata_dir = 'data'\n[service.web]\ncommand = 'x'");
  expect(inside.settings.dataDir).toBe(`${at.directory}/data`);
  expect(inside.warnings.join()).toContain("the workdir of web");
  expect(load("[settings]\ndata_dir = '../data'\n[service.web]\ncommand = 'x'").warnings).toEqual([]);
});

test("a new registry beside another user's is noticed", () => {
  using at = setUp();
  expect(forgottenDataDir(at.file, "/nowhere", at.env)).toBeUndefined();
  const theirs = defaultDataDir(at.file, at.env).replace("/var/lib", at.state);
  mkdirSync(theirs, { recursive: true });
  writeFileSync(`${theirs}/ten.db`, "");
  expect(forgottenDataDir(at.file, "/nowhere", at.env)).toBe(theirs);
  expect(forgottenDataDir(at.file, theirs, at.env)).toBeUndefined();
});

test.each([
  [".", "/srv/app/data", "web"],
  ["public", "/srv/app/data", undefined],
  ["/srv", "/srv/app/data", "web"],
  ["releases/{version}", "/srv/app/releases/v1/data", "web"],
  ["..", "/srv/app-data", "web"],
])("a service in %s with the data in %s", (workdir, dataDir, expected) => {
  expect(servingService([{ name: "web", workdir }], "/srv/app", dataDir)).toBe(expected as string);
});
