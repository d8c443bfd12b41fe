// The tokens of one slum, or of all that share its registry.

import type { NewToken, TokenRow, TokenTable } from "../../api/tokens.ts";
import { adoptOldToken, createTokens } from "../../api/tokens.ts";
import type { Log } from "../../platform/log.ts";
import { readSecret } from "../../platform/storage/atomic-file.ts";
import { type Clock, systemClock } from "../../platform/time/clock.ts";
import { openRegistryAt } from "../registry/open-registry.ts";
import type { DataPaths } from "../registry/paths.ts";
import type { Registry } from "../registry/registry.ts";

/** The scopes that mean something to a slum: it releases nothing, and its tenants are customers of its operator. */
export const SLUM_SCOPES = ["read", "admin"] as const;

export function tokenTable(registry: Registry): TokenTable {
  const rows = registry.accessTokens;
  const changed = (hash: string) => {
    const row = rows.get(hash);
    if (!row) throw new Error("a token that is changed has a row");
    return row;
  };
  return {
    rows: () => rows,
    write: (work) =>
      registry.write((writer) =>
        work({
          add: (row) => void writer.accessTokens.add(row),
          change: (hash, change) => writer.accessTokens.change(changed(hash), change),
          remove: (hash) => writer.accessTokens.remove(changed(hash)),
          event: (kind, detail) => writer.event(kind, {}, detail),
        }),
      ),
    note: (seen) =>
      void registry.tryWrite((writer) => {
        for (const [hash, change] of seen) {
          const row = rows.get(hash);
          if (row) writer.accessTokens.change(row, change);
        }
      }),
  };
}

/** A token in a registry that no slum need run on. Returned once; only its hash is kept. */
export async function createTokenAt(
  database: string,
  wanted: NewToken,
): Promise<{ readonly token: string; readonly row: TokenRow }> {
  const whereabouts = { database, slumId: "token", clock: systemClock, fallback: undefined };
  await using registry = await openRegistryAt(whereabouts);
  using tokens = createTokens("slum", tokenTable(registry), systemClock, SLUM_SCOPES);
  return await tokens.create(wanted, null);
}

/** A token that an earlier version kept in a file goes on to count. */
export async function adoptTokenFile(
  table: TokenTable,
  { adminToken }: DataPaths,
  parts: { readonly clock: Clock; readonly log: Log },
): Promise<void> {
  const token = readSecret(adminToken);
  if (token === undefined) return;
  const whose = { program: "slum", whose: "this registry" };
  await adoptOldToken(table, { token, file: adminToken }, whose, parts);
}
