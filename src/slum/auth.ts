// Tokens of one slum: the admin's in a file only its owner reads, all as hashes in the registry.
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { type Authorise, createAccess, type Principal } from "../api/access.ts";
import { hashToken, newToken, tokenMatches } from "../api/token.ts";
import { type Clock, systemClock } from "../platform/clock.ts";
import { openDatabase } from "../platform/database.ts";
import { migrations } from "./migrations.ts";
import type { DataPaths } from "./paths.ts";
import { createRegistry, type Registry } from "./registry.ts";

/** Makes the admin token if there is none, and answers who a request is from. Tokens made meanwhile count at once. */
export function createAuth(registry: Registry, paths: DataPaths, clock: Clock): Authorise<Principal> {
  if (registry.trouble === undefined) ensureAdminToken(registry, paths);
  return createAccess<Principal>({
    clock,
    owner: { scope: "admin" },
    find: (token) =>
      registry.tokens().some((hash) => tokenMatches(token, hash)) ? { scope: "admin" } : undefined,
  });
}

/** A new token, in the registry at `database`, whether a slum runs on it or not. Returned once; only its hash is kept. */
export function generateTokenIn(paths: DataPaths, database: string): string {
  mkdirSync(paths.root, { recursive: true, mode: 0o700 });
  const open = () => openDatabase(database, migrations);
  using registry = createRegistry({ path: database, open, clock: systemClock, fallback: undefined });
  const token = newToken();
  registry.addToken(hashToken(token));
  return token;
}

/** The file is written whole or not at all, with the right mode from the first byte. */
function ensureAdminToken(registry: Registry, { adminToken }: DataPaths): void {
  const known = existsSync(adminToken) ? readFileSync(adminToken, "utf8").trim() : "";
  if (known !== "" && registry.tokens().some((hash) => tokenMatches(known, hash))) {
    chmodSync(adminToken, 0o600);
    return;
  }
  const token = known === "" ? newToken() : known;
  registry.addToken(hashToken(token));
  writeSecret(adminToken, token);
}

/** A file that only its owner reads, whole or not there. */
export function writeSecret(path: string, secret: string): void {
  writeFileSync(`${path}.new`, `${secret}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
