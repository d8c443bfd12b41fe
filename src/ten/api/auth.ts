// Tokens of one server: the admin's in a file only its owner reads, the tenants' as hashes in the registry.
import { chmodSync, mkdirSync } from "node:fs";
import { type Access, createAccess } from "../../api/access.ts";
import { hashToken, newToken, sameHash, tokenMatches } from "../../api/token.ts";
import { readSecret, writeSecret } from "../../platform/storage/atomic-file.ts";
import { openDatabase } from "../../platform/storage/database.ts";
import { type Clock, systemClock } from "../../platform/time/clock.ts";
import { type DataPaths, dataPaths } from "../config/paths.ts";
import { migrations } from "../registry/migrations.ts";
import { createRegistry, type Registry } from "../registry/registry.ts";
import type { Caller } from "./caller.ts";

/** Makes the admin token if there is none, and answers who a request is from. Tokens made meanwhile count at once. */
export function createAuth(registry: Registry, paths: DataPaths, clock: Clock): Access<Caller> {
  ensureAdminToken(registry, paths);
  return createAccess<Caller>({
    clock,
    owner: { scope: "admin" },
    find(given) {
      const row = registry.tokens().find(({ hash }) => sameHash(given, hash));
      if (!row) return undefined;
      return row.tenant === null ? { scope: "admin" } : { scope: "tenant", tenant: row.tenant };
    },
  });
}

/** A new token for the admin, or for one tenant. It is returned once and only its hash is kept. */
export function generateToken(registry: Registry, tenant: string | null): string {
  const token = newToken();
  registry.addToken(hashToken(token), tenant);
  return token;
}

/** The same in a data directory, whether a server runs on it or not. */
export function generateTokenIn(dataDir: string, tenant: string | null): string {
  const paths = dataPaths(dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  using database = openDatabase(paths.database, migrations);
  return generateToken(
    createRegistry(database, systemClock, () => {}),
    tenant,
  );
}

function ensureAdminToken(registry: Registry, { adminToken }: DataPaths): void {
  const known = readSecret(adminToken);
  if (known !== undefined && registry.tokens().some(({ hash }) => tokenMatches(known, hash))) {
    chmodSync(adminToken, 0o600);
    return;
  }
  const token = known ?? newToken();
  registry.addToken(hashToken(token), null);
  writeSecret(adminToken, token);
}
