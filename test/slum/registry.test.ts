// The registry: whole transactions, a copy that follows, and what happens when the database cannot be used.
import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { systemClock } from "../../src/platform/clock.ts";
import { openDatabase } from "../../src/platform/database.ts";
import { migrations } from "../../src/slum/migrations.ts";
import { createRegistry } from "../../src/slum/registry.ts";
import { createTempDir } from "../support/temp-dir.ts";

const fresh = {
  id: "iad",
  url: "http://h:1",
  healthPath: "/health",
  addressing: "header",
  drained: false,
  createdAt: 1,
  status: "unknown",
  statusAt: 1,
} as const;

function open(path: string) {
  return createRegistry({
    path,
    open: () => openDatabase(path, migrations),
    clock: systemClock,
    fallback: undefined,
  });
}

describe("the registry", () => {
  test("keeps rows and events over a restart", async () => {
    using temp = createTempDir();
    const path = temp.file("slum.db");
    {
      using registry = open(path);
      await registry.write((writer) => {
        const row = writer.servers.add(fresh);
        writer.servers.change(row, { drained: true });
        writer.event("server.added", { server: "iad" }, "");
      });
      expect(registry.servers.get("iad")?.drained).toBe(true);
    }
    using again = open(path);
    expect(again.servers.get("iad")).toMatchObject({ id: "iad", drained: true });
    expect(again.events({ limit: 9 }).map(({ kind }) => kind)).toEqual(["server.added"]);
  });

  test("changes nothing, in the database or in memory, when a transaction fails", async () => {
    using temp = createTempDir();
    using registry = open(temp.file("slum.db"));
    const failing = registry.write((writer) => {
      writer.servers.add(fresh);
      writer.servers.add(fresh);
    });
    expect(failing).rejects.toThrow();
    await failing.catch(() => {});
    expect(registry.servers.size).toBe(0);
    await registry.write((writer) => writer.servers.add(fresh));
    expect(registry.servers.size).toBe(1);
  });

  test("says that it is locked and recovers by itself", () => {
    using temp = createTempDir();
    const path = temp.file("slum.db");
    using registry = open(path);
    using holder = new Database(path);
    holder.run("BEGIN IMMEDIATE");
    expect(registry.tryWrite((writer) => writer.servers.add(fresh))).toBe(false);
    expect(registry.trouble).toContain("locked");
    holder.run("ROLLBACK");
    registry.probe();
    expect(registry.trouble).toBeUndefined();
  });

  test("refuses to write into a file that was removed", async () => {
    using temp = createTempDir();
    const path = temp.file("slum.db");
    using registry = open(path);
    rmSync(path);
    expect(registry.write((writer) => writer.servers.add(fresh))).rejects.toThrow("gone from its place");
  });
});
