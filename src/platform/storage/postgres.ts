// A PostgreSQL-compatible database over Bun's client: a deadline on everything, failures in words, and a password that none of them shows.
import { SQL, type TransactionSQL } from "bun";
import { Fault, messageOf } from "../../core/fault.ts";
import type { Clock } from "../time/clock.ts";
import { isVerified, refuseUnprotected, URL_HINT, withoutPassword } from "./postgres-url.ts";

export interface Postgres extends AsyncDisposable {
  /** The URL without its password: what messages call the database. */
  readonly name: string;
  /**
   * Runs `work` with connections of the pool. When that takes longer than `limitMs`, or the connection is of no use any
   * more, all connections are dropped and the next call makes new ones. Throws what `work` throws.
   */
  use<T>(limitMs: number, work: (sql: SQL) => Promise<T>): Promise<T>;
  /**
   * The same in one transaction, which the database ends by itself when we hang in the middle of it. It is rolled back when
   * `work` throws, and when `keeps` says no to what it answers.
   */
  transaction<T>(
    limitMs: number,
    work: (sql: TransactionSQL) => Promise<T>,
    keeps?: (result: T) => boolean,
  ): Promise<T>;
  /** The Fault for what the database or the way to it threw; undefined for anything else. */
  faultOf(thrown: unknown): Fault | undefined;
}

/** More than one, so that a command that reads need not wait for one that writes. */
const CONNECTIONS = 2;
const CONNECT_TIMEOUT_SECS = 2;
/** Poolers and databases that sleep when idle close connections after minutes; ours are younger. */
const IDLE_SECS = 60;

/** Connects with the first use. Throws a usage fault for a URL that no database could have, or that protects nothing. */
export function createPostgres(url: string, clock: Clock): Postgres {
  refuseUnprotected(url);
  const name = withoutPassword(url);
  let client: SQL | undefined;

  /**
   * Without named prepared statements, and with nothing set for longer than a transaction: behind a pooler each transaction
   * may be on another connection of the database.
   */
  function connect(): SQL {
    try {
      return new SQL({
        url,
        max: CONNECTIONS,
        prepare: false,
        connectionTimeout: CONNECT_TIMEOUT_SECS,
        idleTimeout: IDLE_SECS,
        // Said, as the environment may say the contrary.
        ...(isVerified(url) && { tls: { rejectUnauthorized: true } }),
      });
    } catch (thrown) {
      throw new Fault("usage", `${name} is not the URL of a database: ${messageOf(thrown)}`, URL_HINT);
    }
  }

  function drop(used: SQL): void {
    if (client === used) client = undefined;
    void used.close({ timeout: 0 }).catch(() => {});
  }

  async function use<T>(limitMs: number, work: (sql: SQL) => Promise<T>): Promise<T> {
    client ??= connect();
    const used = client;
    const late = Promise.withResolvers<never>();
    const cancel = clock.after(limitMs, () => late.reject(new LateError(limitMs)));
    try {
      const working = (async () => work(used))();
      // What ends after its deadline has nobody left to tell.
      working.catch(() => {});
      return await Promise.race([working, late.promise]);
    } catch (thrown) {
      if (isDisconnected(thrown)) drop(used);
      throw thrown;
    } finally {
      cancel();
    }
  }

  client = connect();
  return {
    name,
    use,
    transaction: (limitMs, work, keeps = () => true) =>
      use(limitMs, async (sql) => {
        const begun = sql.begin(async (transaction) => {
          // In one message; they end with the transaction. Who holds a row and hangs is not waited for until the end.
          const limits = [
            `SET LOCAL statement_timeout = ${limitMs}`,
            `SET LOCAL idle_in_transaction_session_timeout = ${limitMs}`,
            `SET LOCAL lock_timeout = ${Math.ceil(limitMs / 2)}`,
          ];
          await transaction.unsafe(limits.join("; ")).simple();
          const result = await work(transaction);
          if (!keeps(result)) throw new RolledBack(result);
          return result;
        });
        return begun.catch((thrown) => {
          if (thrown instanceof RolledBack) return thrown.result;
          throw thrown;
        });
      }) as Promise<never>,
    faultOf(thrown) {
      const reason = reasonOf(thrown);
      if (reason === undefined) return undefined;
      const [what, hint] = reason;
      return new Fault("internal", `the registry ${name} ${what}`, hint, { cause: causeOf(thrown) });
    },
    async [Symbol.asyncDispose]() {
      await client?.close({ timeout: 0 }).catch(() => {});
    },
  };
}

/** The client rolls back what throws: this carries out what was found meanwhile. */
class RolledBack<T> extends Error {
  readonly result: T;

  constructor(result: T) {
    super("rolled back");
    this.result = result;
  }
}

/** Our own deadline has passed. */
class LateError extends Error {
  constructor(limitMs: number) {
    super(`no answer within ${limitMs / 1000} s`);
  }
}

/** The five characters by which SQL tells errors apart; empty for what is none of the database's. */
export function sqlState(thrown: unknown): string {
  const { code, errno } = (causeOf(thrown) ?? {}) as { code?: unknown; errno?: unknown };
  return code === "ERR_POSTGRES_SERVER_ERROR" && typeof errno === "string" ? errno : "";
}

/** Others were in the way: the same again may succeed. */
export function isCollision(thrown: unknown): boolean {
  return ["40001", "40P01", "55P03"].includes(sqlState(thrown));
}

/**
 * Whether the connection is lost or of no use: closed, refused, hanging, shutting down (57P0x), failed over (25006: it only
 * reads), or out of places (53300).
 */
export function isDisconnected(thrown: unknown): boolean {
  const cause = causeOf(thrown);
  if (cause instanceof LateError || isTls(cause)) return true;
  const state = sqlState(thrown);
  return cause instanceof SQL.PostgresError && (state === "" || /^(08|57|25006|53|28)/.test(state));
}

/** Certificates that do not fit, and files of them that cannot be read. */
function isTls(cause: unknown): boolean {
  const { code } = (cause ?? {}) as { code?: unknown };
  return (
    typeof code === "string" &&
    /^(ERR_(TLS|SSL|INVALID_ARG)|CERT_|UNABLE_TO_|SELF_|DEPTH_|HOSTNAME)/.test(code)
  );
}

/** What the client threw, also when drizzle has wrapped it: whose own message has the values of the statement, secrets among them. */
function causeOf(thrown: unknown): unknown {
  const { cause } = (thrown ?? {}) as { cause?: unknown };
  return cause === undefined ? thrown : causeOf(cause);
}

const BACK = "see that it runs and can be reached from here; a slum that serves goes on routing";
const TRUST =
  "for a root of your own: sslrootcert=FILE in the URL, or NODE_EXTRA_CA_CERTS=FILE in the environment";
const REASONS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  "28P01": ["refuses this user and password", "check them in --db or SLUM_DB"],
  "28000": ["refuses this user", "check the user, and sslmode, in --db or SLUM_DB"],
  "3D000": ["does not exist", "create it: createdb NAME"],
  "42501": ["does not let this user do that", "the user needs to make and to change tables there"],
  "25006": ["only reads at the moment, as a replica does", "give the address of the primary"],
  "40001": ["is busy with changes of other slums; nothing was changed", "try again"],
  "40P01": ["is busy with changes of other slums; nothing was changed", "try again"],
  "55P03": ["is held by another slum; nothing was changed", "try again"],
  "23505": ["has a row with that name already; nothing was changed", "look at it and try again"],
};

function reasonOf(thrown: unknown): readonly [what: string, hint: string] | undefined {
  const cause = causeOf(thrown);
  if (isTls(cause)) return [`cannot be reached: TLS: ${plain(messageOf(cause))}`, TRUST];
  if (!(cause instanceof LateError || cause instanceof SQL.PostgresError)) return undefined;
  const state = sqlState(thrown);
  if (REASONS[state]) return REASONS[state];
  const why = plain(messageOf(cause));
  return isDisconnected(thrown)
    ? [`cannot be reached: ${why}`, BACK]
    : [`refused that: ${why} (${state})`, BACK];
}

/** `Failed to connect` as other messages begin. */
function plain(text: string): string {
  return `${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}
