// The rules of the house that a program can check: layers, sizes, and who may do what.
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { layerOf, readImports, roomOf } from "./rooms.ts";

const SRC = join(import.meta.dir, "../src");
const imports = await readImports(SRC);
const files = [...imports.keys()];
const text = new Map(
  await Promise.all(files.map(async (file) => [file, await Bun.file(join(SRC, file)).text()] as const)),
);

/** What each layer may import besides itself: everything further left. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  core: [],
  platform: ["core"],
  certificates: ["core", "platform"],
  proxy: ["core", "platform"],
  api: ["core", "platform"],
  cli: ["core", "platform"],
  webhooks: ["core", "platform", "proxy", "api", "cli"],
  ten: ["core", "platform", "certificates", "proxy", "api", "cli", "webhooks"],
  slum: ["core", "platform", "certificates", "proxy", "api", "cli", "webhooks"],
  "main.ts": ["core", "platform", "certificates", "proxy", "api", "cli", "webhooks", "ten", "slum"],
};

/** The rooms of the layers that have several floors, lowest first: a file imports from its own room and from those before it. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  platform: [
    "libc",
    "environment",
    "time",
    "log",
    "executable",
    "process",
    "net",
    "storage",
    "archive",
    "logs",
    "systemd",
  ],
  certificates: [
    "der",
    "requests",
    "certificate",
    "name-record",
    "store",
    "acme",
    "records",
    "files",
    "challenges",
    "clock-text",
    "holds",
    "authority",
    "orders",
    "due",
    "manager",
    "served",
    "look",
    "shown-certificate",
    "diagnose",
    "desk",
    "acme-settings",
    "open-certificates",
  ],
  proxy: [
    "traffic-counters",
    "answers",
    "own-counts",
    "traffic-history",
    "traffic-journal",
    "trial-counters",
    "shadow-counters",
    "http-client",
    "data-plane",
    "access-log",
    "upstream",
    "forward",
    "front",
    "failover",
    "workers",
  ],
  webhooks: [
    "signature",
    "kinds",
    "registry",
    "store",
    "post-webhook",
    "outbox",
    "receivers",
    "operations",
    "commands",
  ],
  ten: [
    "config",
    "init",
    "static",
    "registry",
    "routing",
    "logs",
    "supervisor",
    "operations",
    "api",
    "page",
    "https",
    "serve",
    "demo",
    "commands",
    "program",
  ],
  slum: [
    "limits",
    "registry",
    "fleet",
    "webhooks",
    "operations",
    "api",
    "page",
    "https",
    "serve",
    "commands",
    "program",
  ],
};

function offenders(pattern: RegExp, allowed: (file: string) => boolean): string[] {
  return files.filter((file) => !allowed(file) && pattern.test(text.get(file) ?? ""));
}

describe("the source", () => {
  test("is there", () => expect(files.length).toBeGreaterThan(20));

  test("imports only from its own layer or from layers to the left", () => {
    const wrong = files.flatMap((file) => {
      const layer = layerOf(file);
      return (imports.get(file) ?? [])
        .filter((path) => layerOf(path) !== layer && !(MAY[layer] ?? []).includes(layerOf(path)))
        .map((path) => `${file} imports ${path}`);
    });
    expect(wrong).toEqual([]);
  });

  test("imports only from its own room or from rooms below", () => {
    const wrong = Object.entries(ROOMS).flatMap(([layer, order]) => {
      const here = files.filter((file) => layerOf(file) === layer);
      const unknown = here
        .filter((file) => !order.includes(roomOf(file)))
        .map((file) => `${file} is in no room`);
      const against = here.flatMap((file) =>
        (imports.get(file) ?? [])
          .filter(
            (path) => layerOf(path) === layer && order.indexOf(roomOf(path)) > order.indexOf(roomOf(file)),
          )
          .map((path) => `${file} imports ${path}`),
      );
      return [...unknown, ...against];
    });
    expect(wrong).toEqual([]);
  });

  test("has no import cycles, types included", () => {
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, trail: readonly string[]): void => {
      if (trail.includes(file)) cycles.push([...trail.slice(trail.indexOf(file)), file].join(" -> "));
      if (done.has(file) || trail.includes(file)) return;
      for (const next of imports.get(file) ?? []) visit(next, [...trail, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });

  test("has no file over 450 lines", () => {
    expect(files.filter((file) => (text.get(file) ?? "").split("\n").length > 451)).toEqual([]);
  });

  test("opens every file with a sentence that says what it is", () => {
    expect(files.filter((file) => !/^(#!.*\n)?(\/\/|\/\*\*) ?\S/.test(text.get(file) ?? ""))).toEqual([]);
  });

  test("core reads no clock, no randomness, no environment and does no I/O", () => {
    const impure =
      /Date\.now|new Date\(\)|performance\.|Math\.random|crypto\.|process\.|setTimeout|setInterval|fetch\(|Bun\.|node:(fs|net|child_process|os)/;
    expect(offenders(impure, (file) => layerOf(file) !== "core")).toEqual([]);
  });

  test("only main.ts ends the process", () => {
    expect(offenders(/process\.(exit|abort|exitCode)\b/, (file) => file === "main.ts")).toEqual([]);
  });

  test("only one file reads the environment", () => {
    expect(offenders(/process\.env|Bun\.env/, (file) => file === "platform/environment.ts")).toEqual([]);
  });

  test("only the registries and the database module speak SQL", () => {
    const sql = /from "(bun:sqlite|drizzle-orm[^"]*)"/;
    const mayKnow =
      /(^platform\/storage\/(database|data-directory|log-stamp|sqlite-statements|turns)\.ts|\/registry\/|\/serve\.ts$)/;
    expect(offenders(sql, (file) => mayKnow.test(file))).toEqual([]);
  });

  test("commands know neither control nor registry nor proxy", () => {
    const wrong = files
      .filter((file) => file.includes("/commands/") && !file.endsWith("/commands/serve.ts"))
      .flatMap((file) =>
        (imports.get(file) ?? [])
          .filter((path) => /^proxy\/|^(ten|slum)\/(operations|supervisor)\/|\/registry\.ts$/.test(path))
          .map((path) => `${file} imports ${path}`),
      );
    expect(wrong).toEqual([]);
  });

  test("what runs in browsers knows nothing of Bun, and what runs in Bun nothing of what is shown", () => {
    const isPage = (file: string) => file.includes("/page/");
    expect(offenders(/\bBun\.|\bprocess\.|from "(node|bun):/, (file) => !isPage(file))).toEqual([]);
    expect(offenders(/from "preact/, isPage)).toEqual([]);
    expect(offenders(/innerHTML|insertAdjacentHTML|document\.write/i, () => false)).toEqual([]);
  });

  test("has no names that say nothing", () => {
    expect(
      files.filter((file) => /(^|\/)(utils?|helpers?|types|common|misc|index)(\.ts|\/)/.test(file)),
    ).toEqual([]);
  });
});
