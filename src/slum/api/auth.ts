// Tokens of one slum: the admin's in a file only its owner reads, all as hashes in the registry.
import { chmodSync } from "node:fs";
import { type Access, createAccess, type Principal } from "../../api/access.ts";
import { hashToken, newToken, sameHash, tokenMatches } from "../../api/token.ts";
import { readSecret, writeSecret } from "../../platform/storage/atomic-file.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { DataPaths } from "../registry/paths.ts";
import type { Registry } from "../registry/registry.ts";

/** Answers who a request is from. Tokens made meanwhile count as soon as the registry shows them. */
export function createAuth(registry: Registry, clock: Clock): Access<Principal> {
  return createAccess<Principal>({
    clock,
    owner: { scope: "admin" },
    find: (given) =>
      registry.tokens().some((hash) => sameHash(given, hash)) ? { scope: "admin" } : undefined,
  });
}

/** A new token. Returned once; only its hash is kept. */
export async function generateToken(registry: Registry): Promise<string> {
  const token = newToken();
  await registry.write((writer) => writer.token(hashToken(token)));
  return token;
}

/** The admin's token, made if there is none. */
export async function ensureAdminToken(registry: Registry, { adminToken }: DataPaths): Promise<void> {
  const known = readSecret(adminToken);
  if (known !== undefined && registry.tokens().some((hash) => tokenMatches(known, hash))) {
    chmodSync(adminToken, 0o600);
    return;
  }
  const token = known ?? newToken();
  await registry.write((writer) => writer.token(hashToken(token)));
  writeSecret(adminToken, token);
}
