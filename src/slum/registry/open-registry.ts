// Opens the registry that `--db` names: a SQLite file, or a PostgreSQL-compatible database that several slums share.

import type { Acting } from "../../api/acting.ts";
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { readSecret, writeSecret } from "../../platform/storage/atomic-file.ts";
import { openDatabase } from "../../platform/storage/database.ts";
import { stampLog } from "../../platform/storage/log-stamp.ts";
import { createPostgres } from "../../platform/storage/postgres.ts";
import { isPostgresUrl } from "../../platform/storage/postgres-url.ts";
import { openSecretBox, type SecretBox } from "../../platform/storage/secret-box.ts";
import { syncBeside } from "../../platform/storage/turns.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { DataPaths } from "./paths.ts";
import { PostgresStore } from "./postgres/postgres-store.ts";
import { openRegistry, type Registry, type RoutingRows } from "./registry.ts";
import { migrations } from "./sqlite/migrations.ts";
import { createSqliteStore } from "./sqlite/sqlite-store.ts";

export interface Whereabouts {
  /** A path, or a URL that begins with postgres://. */
  readonly database: string;
  readonly slumId: string;
  readonly clock: Clock;
  readonly fallback: RoutingRows | undefined;
  /** Seals the secrets of receivers. */
  readonly box?: SecretBox | undefined;
  /** On whose behalf writes are; nobody's unless given. */
  readonly acting?: Pick<Acting, "current">;
  /** A server opens it, for as long as it runs: the log that it writes is told from any other. */
  readonly isServer?: true;
}

/** How long a SQLite file may be waited for where the event loop carries traffic. */
const REOPEN_PATIENCE_MS = 20;

export function openRegistryAt({ database, slumId, isServer, ...more }: Whereabouts): Promise<Registry> {
  const { clock } = more;
  if (isPostgresUrl(database)) {
    const postgres = createPostgres(database, clock);
    return openRegistry({
      ...more,
      store: (feed) => new PostgresStore({ postgres, clock, slumId, feed }),
    });
  }
  let isFirst = true;
  const open = () => {
    const patienceMs = isFirst ? undefined : REOPEN_PATIENCE_MS;
    isFirst = false;
    const opened = openDatabase(database, migrations, patienceMs);
    if (isServer) {
      stampLog(opened);
      syncBeside(opened);
    }
    return opened;
  };
  return openRegistry({
    ...more,
    store: (feed) => createSqliteStore({ path: database, open, clock, feed }),
  });
}

/**
 * The key of a shared registry is a file that all of its slums have; without one, secrets lie there in clear. A registry of
 * one's own has a key beside it.
 */
export function boxFor(
  database: string,
  keyFile: string | undefined,
  { registryKey }: DataPaths,
): SecretBox | undefined {
  if (keyFile === undefined) return isPostgresUrl(database) ? undefined : openSecretBox(registryKey);
  if (readSecret(keyFile) !== undefined) return openSecretBox(keyFile);
  throw new Fault(
    "usage",
    `there is no key in ${quote(keyFile)}`,
    `make one, the same for all slums: (umask 077; head -c 32 /dev/urandom | base64 > ${keyFile})`,
  );
}

/** Who this slum is to the others, and to itself when it meets itself: the same for as long as its data directory. */
export function identityIn({ identity }: DataPaths): string {
  const known = readSecret(identity);
  if (known !== undefined) return known;
  const fresh = crypto.randomUUID();
  writeSecret(identity, fresh);
  return fresh;
}
