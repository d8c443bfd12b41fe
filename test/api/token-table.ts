// A table of tokens in memory, and ready-made rows for it.
import { hashToken } from "../../src/api/token.ts";
import type { TokenRow, TokenTable } from "../../src/api/tokens.ts";

/** Writes are in force at once; `events` are those that they told of. */
export function memoryTokens(rows: Iterable<TokenRow> = []) {
  const kept = new Map([...rows].map((row) => [row.hash, row]));
  const events: string[] = [];
  const change = (hash: string, some: Partial<TokenRow>) => {
    const row = kept.get(hash);
    if (row) kept.set(hash, { ...row, ...some });
  };
  const table: TokenTable = {
    rows: () => kept,
    async write(work) {
      return work({
        add: (row) => kept.set(row.hash, row),
        change,
        remove: (hash) => kept.delete(hash),
        event: (kind, detail) => events.push(`${kind} ${detail}`),
      });
    },
    note(seen) {
      for (const [hash, some] of seen) change(hash, some);
    },
  };
  return { table, rows: kept, events };
}

export function tokenRow(token: string, more: Partial<TokenRow> = {}): TokenRow {
  const { scope = "admin" } = more;
  return {
    hash: hashToken(token),
    name: scope,
    scope,
    services: null,
    tenant: scope === "tenant" ? "acme" : null,
    createdAt: 0,
    createdBy: null,
    expiresAt: null,
    revokedAt: null,
    usedAt: null,
    usedFrom: null,
    ...more,
  };
}
