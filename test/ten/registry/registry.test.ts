// What the registry waits for the disk with: decisions, but not what was merely seen.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { openDatabase } from "../../../src/platform/storage/database.ts";
import { onDisk } from "../../../src/platform/storage/turns.ts";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { migrations } from "../../../src/ten/registry/migrations.ts";
import { createRegistry } from "../../../src/ten/registry/registry.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const NEW = {
  service: "job",
  id: "v1",
  version: "v1",
  weight: 0,
  desired: "running",
  state: "healthy",
  reason: "",
  stateAt: 0,
  createdAt: 0,
  deploying: false,
  restarts: 0,
} as const;
const [NORMAL, FULL] = [1, 2];

test("that an instance stays stopped survives a power failure, as what was asked for does", async () => {
  using directory = createTempDir();
  using database = openDatabase(directory.file("ten.db"), migrations);
  const registry = createRegistry(database, systemClock, (text) => expect(text).toBe(""));
  const synchronous = () => database.query("PRAGMA synchronous").get();
  const row = await registry.write((writer) => writer.create(NEW));
  expect(synchronous()).toEqual({ synchronous: FULL });
  registry.observe(row, { state: "unhealthy" });
  expect(synchronous()).toEqual({ synchronous: NORMAL });
  registry.observe(row, { state: "stopped", desired: "stopped" });
  expect(synchronous()).toEqual({ synchronous: FULL });
});

test("who asks with a token, right or wrong, costs no read of the table of tokens", async () => {
  using directory = createTempDir();
  using database = openDatabase(directory.file("ten.db"), migrations);
  const registry = createRegistry(database, systemClock, (text) => expect(text).toBe(""));
  const add = (hash: string) =>
    registry.tokens.write((writer) =>
      writer.add({
        hash,
        name: hash,
        scope: "read",
        services: null,
        tenant: null,
        createdAt: 0,
        createdBy: null,
        expiresAt: null,
        revokedAt: null,
        usedAt: null,
        usedFrom: null,
      }),
    );
  await add("one");
  const before = registry.tokens.rows();
  for (let time = 0; time < 100; time += 1)
    expect(registry.tokens.rows().get(`wrong-${time}`)).toBeUndefined();
  expect(registry.tokens.rows()).toBe(before);
  await add("two");
  expect([...registry.tokens.rows().keys()]).toEqual(["one", "two"]);
});

test("where the disk is waited for beside it, no commit does", async () => {
  using directory = createTempDir();
  using database = openDatabase(directory.file("ten.db"), migrations);
  const quiet = (text: string) => expect(text).toBe("");
  const registry = createRegistry(database, systemClock, quiet, undefined, true);
  const row = await registry.write((writer) => writer.create(NEW));
  registry.observe(row, { state: "stopped", desired: "stopped" });
  expect(database.query("PRAGMA synchronous").get()).toEqual({ synchronous: NORMAL });
  await onDisk(directory.file("ten.db"));
  // What was never written to has no log.
  await onDisk(directory.file("none.db"));
  // That others have all descriptors says nothing about the disk.
  const script = `
    import { openSync, writeFileSync } from "node:fs";
    import { limitOwnFiles } from ${JSON.stringify(join(import.meta.dir, "../../../src/platform/process/spare-descriptors.ts"))};
    import { onDisk } from ${JSON.stringify(join(import.meta.dir, "../../../src/platform/storage/turns.ts"))};
    writeFileSync("full.db-wal", "");
    limitOwnFiles("part");
    try { for (;;) openSync("/dev/null", "r"); } catch {}
    await onDisk("full.db");
    console.log("kept");
  `;
  const words = ["sh", "-c", 'ulimit -n 256; exec "$0" "$@"', process.execPath, "-e", script];
  const crowded = Bun.spawnSync(words, { cwd: directory.path });
  expect(crowded.stdout.toString()).toBe("kept\n");
});

test.each(["renewed", "issued", "added", "removed", "revoked"])(
  "the end that was told of a certificate is over when it is %s",
  (kind) => {
    using directory = createTempDir();
    using database = openDatabase(directory.file("ten.db"), migrations);
    const registry = createRegistry(database, systemClock, (text) => expect(text).toBe(""));
    const isOpen = () => registry.alerts.get("certificate a.test")?.open;
    registry.note("", null, `certificate.${kind}`, "a.test by an authority");
    expect(isOpen()).toBeUndefined();
    registry.note("", null, "certificate.expiring", "a.test ends soon");
    expect(isOpen()).toBe(true);
    registry.note("", null, `certificate.${kind}`, "a.test by an authority");
    expect(isOpen()).toBe(false);
  },
);
