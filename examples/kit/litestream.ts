// Litestream of a set-up: beside the writing machine it replicates the database to the bucket, elsewhere it restores from there.
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Bucket } from "./bucket.ts";
import type { Machine } from "./machine.ts";
import { type Child, RELEASES, type Stage } from "./stage.ts";

const PACKAGED = join(import.meta.dir, "../../node_modules/@flydotio/litestream-linux-x64/litestream");
const BINARY = existsSync(PACKAGED) ? PACKAGED : Bun.which("litestream");

export const hasLitestream = BINARY !== null;

/** How far behind the copy in the bucket may be. */
export const SYNC_MS = 1_000;

/** Where every machine writes its database, when it is the one that writes. */
export function databaseOf(machine: Machine): string {
  return machine.file("data/notes/_shared/notes.db");
}

/** What a machine has to know of the bucket. The database's path is only a name there: the same for all. */
export function configure(machine: Machine, bucket: Bucket): string {
  const file = machine.file("litestream.yml");
  const replica = `{ type: s3, bucket: ${bucket.name}, path: notes, endpoint: "${bucket.url}", region: none, force-path-style: true, sync-interval: ${SYNC_MS}ms }`;
  writeFileSync(
    file,
    `access-key-id: example\nsecret-access-key: example\ndbs:\n  - path: ${databaseOf(machine)}\n    replicas:\n      - ${replica}\n`,
  );
  return file;
}

/** Beside the machine that writes, one for each database, never inside the app's command. */
export function replicate(stage: Stage, machine: Machine, config: string): Child {
  return stage.start(
    `${machine.name}-litestream`,
    [BINARY ?? "litestream", "replicate", "-config", config],
    {},
  );
}

/** The newest copy, as the database of a machine that is to write. */
export async function restore(stage: Stage, machine: Machine, config: string): Promise<void> {
  const words = [
    BINARY ?? "litestream",
    "restore",
    "-config",
    config,
    "-o",
    databaseOf(machine),
    databaseOf(machine),
  ];
  const { exit, stderr, stdout } = await stage.run(words, {});
  if (exit !== 0 || !existsSync(databaseOf(machine)))
    throw new Error(`litestream restore: ${stderr}${stdout}`);
}

/** How often reading regions fetch a copy here; on real machines minutes. */
export const REFRESH_SECS = 3;

/** A reading region's service: each start of an instance fetches the newest copy into a file of its own, and starts come by the clock. */
export function readingService(machine: Machine, config: string): string {
  return `
command = "bun app.ts"
workdir = "${RELEASES}/v1"
before_start = """/bin/sh -ec '
  find "$(dirname "$DATABASE_PATH")" -name "copy-*" -mmin +60 -delete
  rm -f "$DATABASE_PATH"*
  "${BINARY}" restore -config "${config}" -o "$DATABASE_PATH" "${databaseOf(machine)}"
  test -s "$DATABASE_PATH"'"""
refresh = ${REFRESH_SECS}
health = "/health"`;
}

export const READING_ENV = 'DATABASE_PATH = "{instance_dir}/copy-{port}.db"\n';
export const WRITING_ENV = 'DATABASE_PATH = "{shared_dir}/notes.db"\n';
