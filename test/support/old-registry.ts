// A registry as the last version before releases left it: its schema, and rows that it wrote.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openDatabase } from "../../src/platform/storage/database.ts";
import { migrations } from "../../src/ten/registry/migrations.ts";

/** `api:v1` with 80, `api:v2` with 20, both to be started again; `api:old`, of version v1, was spawned later and stopped. */
export function writeOldRegistry(dataDir: string): void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  using database = openDatabase(join(dataDir, "ten.db"), migrations.slice(0, 1));
  const row = database.query(
    `INSERT INTO instances (service, id, version, weight, desired, state, reason, state_at, created_at, deploying, restarts, boot_id)
     VALUES ('api', ?, ?, ?, ?, 'stopped', 'the server was shut down', 1796051991180, 1796051971780, 0, 0, 'another')`,
  );
  row.run("v1", "v1", 8000, "running");
  row.run("v2", "v2", 2000, "running");
  row.run("old", "v1", 0, "stopped");
  database.run("INSERT INTO services (name, epoch) VALUES ('api', 2)");
  const change = database.query(
    "INSERT INTO changes (service, at, command, before, after) VALUES ('api', 1796051971891, ?, ?, ?)",
  );
  change.run("deploy api:v1", '{"v1":0}', '{"v1":10000}');
  change.run("deploy api:v2", '{"v1":10000,"v2":0}', '{"v1":8000,"v2":2000}');
}
