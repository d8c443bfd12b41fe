// The documentation says what the code does: pages that follow from it are compared, and tables have all keys and no others.
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { apiPage, commandsPage, jsonPage } from "../docs.ts";
import { FAULTS } from "../src/core/fault.ts";
import { metricsPage } from "../src/ten/api/metrics.ts";
import { parseConfig } from "../src/ten/config/config.ts";
import { knownKeys } from "../src/ten/config/toml-schema.ts";
import { ten } from "../src/ten/program.ts";

const NO_HISTORY = { names: () => [], ownTotals: () => [], totals: () => undefined } as unknown as Parameters<
  typeof metricsPage
>[3];
const ROOT = join(import.meta.dir, "..");
const read = (path: string) => Bun.file(join(ROOT, path)).text();

/** The first two cells of each row of the tables below a heading, without their backticks. */
function rows(text: string, heading: string): Map<string, string> {
  const [, after = ""] = text.split(`\n## ${heading}\n`);
  const [part = ""] = after.split("\n## ");
  const found = [...part.matchAll(/^\| `([a-z0-9_]+)` \| (.*?) \|/gm)];
  return new Map(found.map(([, key = "", value = ""]) => [key, value.replaceAll("`", "")]));
}

test.each([
  ["docs/commands.md", commandsPage],
  ["docs/api.md", apiPage],
  ["docs/json.md", jsonPage],
])("%s is as `bun docs.ts` writes it", async (path, write) => {
  expect(await read(path)).toBe(await write());
});

test("docs/faults.md names tests that there are", async () => {
  const named = [...(await read("docs/faults.md")).matchAll(/`((?:e2e|platform|ten)\/[\w-]+)`/g)];
  expect(named.length).toBeGreaterThan(20);
  const missing = named.filter(([, name]) => !existsSync(join(ROOT, "test", `${name}.test.ts`)));
  expect(missing).toEqual([]);
});

test("src/README.md names files that there are", async () => {
  const named = [
    ...(await read("src/README.md")).matchAll(/`((?:core|platform|proxy|api|cli|ten|slum)\/[\w./-]+)`/g),
  ];
  expect(named.length).toBeGreaterThan(20);
  expect(named.map(([, name]) => name).filter((name) => !existsSync(join(ROOT, "src", name ?? "")))).toEqual(
    [],
  );
});

describe("docs/configuration.md", async () => {
  const text = await read("docs/configuration.md");
  const { document } = parseConfig('[service.api]\ncommand = "./server"', "/tenement.toml");
  const inForce: Record<string, Readonly<Record<string, unknown>>> = {
    settings: document.settings,
    service: { ...document.service.api, command: undefined },
    routing: document.routing,
    acme: document.acme,
  };

  test.each([
    ["[settings]", ["settings"]],
    ["[service.NAME]", ["service", "api"]],
    ["[routing]", ["routing"]],
    ["[acme]", ["acme"]],
  ])("%s has every key and no other, each with its default", (heading, path) => {
    const documented = rows(text, heading);
    expect([...documented.keys()].sort()).toEqual([...(knownKeys(path) ?? [])].sort());
    for (const [key, value] of documented) {
      const fallback = inForce[path[0] ?? ""]?.[key];
      if (fallback === undefined)
        expect([key, value]).toEqual([key, expect.stringMatching(/^(none|required|as in settings)$/)]);
      else expect([key, JSON.parse(value)]).toEqual([key, fallback]);
    }
  });

  test("has every table of the file", () => {
    const tables = [...text.matchAll(/^## \[(\w+)/gm)].map(([, name]) => name);
    expect(tables).toEqual([...(knownKeys([]) ?? [])]);
  });
});

describe("README.md", async () => {
  const text = await read("README.md");

  const section = (heading: string) => text.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";

  test("lists every command of ten, and no other", () => {
    const rows = section("Commands").match(/^\|.*\|$/gm) ?? [];
    const listed = [...rows.join("\n").matchAll(/`([a-z-]+)`/g)].map(([, name]) => name);
    const all = Object.values(ten.sections).flatMap((commands) => Object.keys(commands));
    expect(listed.sort()).toEqual(all.sort());
  });

  test("lists every metric, and no other", () => {
    const listed = [...section("Metrics").matchAll(/`(ten_\w+)`/g)].map(([, name]) => name);
    const all = [...metricsPage([], () => true, [], NO_HISTORY, [], "0", 0).matchAll(/^# HELP (\w+)/gm)].map(
      ([, name]) => name,
    );
    expect(listed.sort()).toEqual(all.sort());
  });

  test("lists every exit code", () => {
    const listed = [...section("Exit codes").matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
    const all = new Set([0, ...Object.values(FAULTS).map(({ exit }) => exit)]);
    expect(listed).toEqual([...all].sort((a, b) => a - b));
  });

  test("its links, and those of all other pages, lead somewhere", async () => {
    const pages = ["README.md", "CHANGELOG.md", "src/README.md", ...new Bun.Glob("docs/*.md").scanSync(ROOT)];
    const links = pages.map(async (page) =>
      [...(await read(page)).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target = ""]) => ({
        page,
        target,
      })),
    );
    const dead = (await Promise.all(links))
      .flat()
      .filter(({ page, target }) => !existsSync(join(ROOT, page, "..", target)));
    expect(dead).toEqual([]);
  });
});
