// The tokens of one registry: what there are, and how they are made, taken back and replaced.
import { BoundedMap } from "../core/bounded-map.ts";
import { Fault } from "../core/fault.ts";
import { quote } from "../core/quote.ts";
import type { Log } from "../platform/log.ts";
import type { Clock } from "../platform/time/clock.ts";
import { type Principal, SCOPES, type Scope } from "./principal.ts";
import { formOf, hashToken, newToken } from "./token.ts";

/** Times are milliseconds since the epoch. */
export interface TokenRow {
  readonly hash: string;
  /** One that replaces another has its name; the older one has an end. */
  readonly name: string;
  readonly scope: Scope;
  readonly services: readonly string[] | null;
  readonly tenant: string | null;
  readonly createdAt: number;
  readonly createdBy: string | null;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  readonly usedAt: number | null;
  readonly usedFrom: string | null;
}

/** The writes of one transaction. */
export interface TokenWriter {
  add(row: TokenRow): void;
  change(hash: string, change: Partial<TokenRow>): void;
  remove(hash: string): void;
  event(kind: string, detail: string): void;
}

/** Where they are kept: a table of the program's registry. */
export interface TokenTable {
  /** By hash; of now, also when another process has written. */
  rows(): ReadonlyMap<string, TokenRow>;
  write<T>(work: (writer: TokenWriter) => T): Promise<T>;
  /** Notes what was seen of tokens, when the disk allows. */
  note(seen: ReadonlyMap<string, Partial<TokenRow>>): void;
}

export interface NewToken {
  readonly name: string;
  readonly scope: Scope;
  readonly services: readonly string[] | undefined;
  readonly tenant: string | undefined;
  readonly expiresMs: number | undefined;
}

/** What may be shown of a token. */
export interface TokenView extends Omit<TokenRow, "hash"> {
  readonly isExpired: boolean;
}

export interface Tokens extends Disposable {
  /** The token, which is shown this once, and its row. */
  create(wanted: NewToken, by: string | null): Promise<{ readonly token: string; readonly row: TokenRow }>;
  list(): readonly TokenView[];
  /** Names of those that it has ended. */
  revoke(name: string): Promise<TokenRow>;
  rotate(
    name: string,
    overlapMs: number,
    by: string | null,
  ): Promise<{ readonly token: string; readonly row: TokenRow; readonly oldUntil: number }>;
  /** The row of a token that counts now, or the fault that says to its holder why it does not; undefined when it was never made here. */
  find(hash: string): TokenRow | Fault | undefined;
  used(hash: string, address: string): void;
  /** Calls back when tokens may have ended that counted before, until the returned function is called. */
  onEnd(call: () => void): () => void;
}

const USES_EVERY_MS = 60_000;
const USES_MAX = 10_000;
/** What has ended is kept so long, to tell its holder why. */
const KEPT_MS = 90 * 24 * 3600_000;
const TOKENS_MAX = 10_000;

/** `program` is whose tokens they are, and whose commands make them; `scopes` are those that it knows. Writes the last uses once a minute until disposed. */
export function createTokens(
  program: string,
  table: TokenTable,
  clock: Clock,
  scopes: readonly Scope[] = SCOPES,
): Tokens {
  const uses = new BoundedMap<string, { readonly usedAt: number; readonly usedFrom: string }>(USES_MAX);
  const listeners = new Set<() => void>();
  const stop = clock.every(USES_EVERY_MS, flush);

  function flush(): void {
    if (uses.size === 0) return;
    const known = table.rows();
    table.note(new Map([...uses].filter(([hash]) => known.has(hash))));
    uses.clear();
  }

  const isOver = ({ revokedAt, expiresAt }: TokenRow) =>
    revokedAt !== null || (expiresAt !== null && expiresAt <= clock.now());

  function alive(name: string): TokenRow[] {
    return [...table.rows().values()].filter((row) => row.name === name && !isOver(row));
  }

  function requireAlive(name: string): TokenRow[] {
    const found = alive(name);
    if (found.length > 0) return found;
    throw new Fault("not_found", `there is no token ${quote(name)}`, `see: ${program} token list`);
  }

  function requireRoom(name: string): void {
    if (alive(name).length > 0)
      throw new Fault(
        "conflict",
        `there is a token ${name} already`,
        `choose another name, or replace it: ${program} token rotate ${name}`,
      );
    if (table.rows().size >= TOKENS_MAX)
      throw new Fault("conflict", `there are ${TOKENS_MAX} tokens`, "revoke those that nobody uses");
  }

  function forgetOld(writer: TokenWriter): void {
    for (const row of table.rows().values()) {
      const endedAt = row.revokedAt ?? row.expiresAt;
      if (endedAt !== null && endedAt < clock.now() - KEPT_MS) writer.remove(row.hash);
    }
  }

  function ended(): void {
    for (const listener of listeners) listener();
  }

  return {
    async create({ name, scope, services, tenant, expiresMs }, by) {
      if (!scopes.includes(scope))
        throw new Fault("usage", `${program} has no scope ${scope}`, `it has ${scopes.join(" and ")}`);
      requireTenant(scope, tenant);
      if (services !== undefined && !scopes.includes("deploy"))
        throw new Fault("usage", `${program}'s tokens are not for services`, "leave out --service");
      if (scope === "admin" && services !== undefined)
        throw new Fault(
          "usage",
          "an admin has all services",
          "leave out --service, or take the scope deploy",
        );
      const token = newToken(program);
      const row = await table.write((writer) => {
        requireRoom(name);
        forgetOld(writer);
        const now = clock.now();
        const fresh: TokenRow = {
          hash: hashToken(token),
          name,
          scope,
          services: services ?? null,
          tenant: tenant ?? null,
          createdAt: now,
          createdBy: by,
          expiresAt: expiresMs === undefined ? null : now + expiresMs,
          revokedAt: null,
          usedAt: null,
          usedFrom: null,
        };
        writer.add(fresh);
        writer.event("token.created", describe(fresh));
        return fresh;
      });
      return { token, row };
    },
    list: () =>
      [...table.rows().values()]
        .filter(({ revokedAt }) => revokedAt === null)
        .sort((a, b) => a.name.localeCompare(b.name) || b.createdAt - a.createdAt)
        .map(({ hash, ...row }) => ({ ...row, ...uses.get(hash), isExpired: isOver({ hash, ...row }) })),
    async revoke(name) {
      const row = await table.write((writer) => {
        const found = requireAlive(name);
        for (const { hash } of found) writer.change(hash, { revokedAt: clock.now() });
        writer.event("token.revoked", name);
        return found.at(-1);
      });
      ended();
      if (!row) throw new Error("a token that is alive has a row");
      return row;
    },
    async rotate(name, overlapMs, by) {
      const token = newToken(program);
      const rotated = await table.write((writer) => {
        const found = requireAlive(name);
        const [newest] = found.sort((a, b) => b.createdAt - a.createdAt);
        if (!newest) throw new Error("a token that is alive has a row");
        const now = clock.now();
        const oldUntil = now + overlapMs;
        for (const { hash, expiresAt } of found)
          writer.change(hash, { expiresAt: Math.min(expiresAt ?? oldUntil, oldUntil) });
        const lifeMs = newest.expiresAt === null ? null : newest.expiresAt - newest.createdAt;
        const row: TokenRow = {
          ...newest,
          hash: hashToken(token),
          createdAt: now,
          createdBy: by,
          expiresAt: lifeMs === null ? null : now + lifeMs,
          usedAt: null,
          usedFrom: null,
        };
        writer.add(row);
        writer.event("token.rotated", `${name}, the old one until ${new Date(oldUntil).toISOString()}`);
        return { row, oldUntil };
      });
      ended();
      return { token, ...rotated };
    },
    find(hash) {
      const row = table.rows().get(hash);
      if (!row || !isOver(row)) return row;
      const { name, revokedAt, expiresAt } = row;
      if (revokedAt !== null)
        return new Fault(
          "unauthorised",
          `the token ${name} was revoked at ${iso(revokedAt)}`,
          "ask for a new one",
        );
      return new Fault(
        "unauthorised",
        `the token ${name} has expired at ${iso(expiresAt ?? 0)}`,
        `an admin makes a new one: ${program} token create`,
      );
    },
    used: (hash, address) => void uses.set(hash, { usedAt: clock.now(), usedFrom: address }),
    onEnd(call) {
      listeners.add(call);
      return () => listeners.delete(call);
    },
    [Symbol.dispose]() {
      stop();
      flush();
    },
  };
}

const OLD_ADMIN = "old-admin";
/** Shorter ones that no program has made are guessed, and a file may hold anything. */
const OLD_MIN_CHARS = 40;

/**
 * A token that an earlier version kept in `file` goes on to count, an admin's, under a name of its own. `whose` says whose
 * token the file should hold, for the warning that it does not.
 */
export async function adoptOldToken(
  table: TokenTable,
  { token, file }: { readonly token: string; readonly file: string },
  { program, whose }: { readonly program: string; readonly whose: string },
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<void> {
  const hash = hashToken(token);
  const row = table.rows().get(hash);
  if (row !== undefined) {
    if (row.name.startsWith("old-") && row.name !== OLD_ADMIN)
      await table.write((writer) => writer.change(hash, { name: OLD_ADMIN }));
    return;
  }
  if (formOf(token, program) !== "plain" || token.length < OLD_MIN_CHARS)
    return log.warn(`${file} holds no token of ${whose}, and nothing is made of it`);
  await table.write((writer) => {
    writer.add({ ...ADMIN, hash, name: OLD_ADMIN, createdAt: clock.now() });
    writer.event("token.created", `${OLD_ADMIN}: from ${file}`);
  });
}

const ADMIN: Omit<TokenRow, "hash" | "name" | "createdAt"> = {
  scope: "admin",
  services: null,
  tenant: null,
  createdBy: null,
  expiresAt: null,
  revokedAt: null,
  usedAt: null,
  usedFrom: null,
};

/** What the row's holder is to those who ask whether it may. */
export function principalOf({ name, scope, services, tenant }: TokenRow): Principal {
  return {
    name,
    scope,
    ...(services !== null && { services }),
    ...(tenant !== null && { tenant }),
  };
}

function requireTenant(scope: Scope, tenant: string | undefined): void {
  if ((scope === "tenant") === (tenant !== undefined)) return;
  throw new Fault(
    "usage",
    tenant === undefined
      ? "a token of the scope tenant is for one tenant"
      : `the scope ${scope} has no tenant`,
    tenant === undefined ? "say which: --tenant acme" : "leave out one of the two",
  );
}

function describe({ name, scope, services, tenant, expiresAt }: TokenRow): string {
  return [
    `${name}: ${scope}`,
    ...(tenant === null ? [] : [`tenant ${tenant}`]),
    ...(services === null ? [] : [`for ${services.join(", ")}`]),
    ...(expiresAt === null ? [] : [`until ${iso(expiresAt)}`]),
  ].join(", ");
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
