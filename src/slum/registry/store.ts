// The interface of the registry's storage, which a SQLite file and a PostgreSQL-compatible database both implement.
import type { Fault } from "../../core/fault.ts";
import type { Statements } from "../../platform/storage/table-copy.ts";
import type { Observations, OtherSlum } from "./observations.ts";
import type * as schema from "./schema.ts";

/** The statements of one transaction. */
export interface Tables {
  readonly servers: Statements<schema.ServerRow, schema.NewServerRow, string>;
  readonly tenants: Statements<schema.TenantRow, schema.NewTenantRow, string>;
  readonly webhooks: Statements<schema.WebhookRow, schema.NewWebhookRow, string>;
  readonly deliveries: Statements<schema.DeliveryRow, schema.NewDeliveryRow, number>;
  readonly alerts: Statements<schema.AlertRow, schema.AlertRow, string>;
  insertEvent(values: schema.NewEventRow): schema.EventRow;
  readonly accessTokens: Statements<schema.AccessTokenRow, schema.AccessTokenRow, string>;
}

/** All rows of the tables that have a copy in memory, each in the order in which they came to be. */
export interface Contents {
  readonly servers: Iterable<schema.ServerRow>;
  readonly tenants: Iterable<schema.TenantRow>;
  readonly webhooks: Iterable<schema.WebhookRow>;
  readonly deliveries: Iterable<schema.DeliveryRow>;
  readonly alerts: Iterable<schema.AlertRow>;
  readonly accessTokens: Iterable<schema.AccessTokenRow>;
}

/** Rows that another slum has changed, by key; undefined for those that are gone. */
export interface Changes {
  readonly servers: ReadonlyMap<string, schema.ServerRow | undefined>;
  readonly tenants: ReadonlyMap<string, schema.TenantRow | undefined>;
  readonly webhooks: ReadonlyMap<string, schema.WebhookRow | undefined>;
  readonly deliveries: ReadonlyMap<number, schema.DeliveryRow | undefined>;
  readonly alerts: ReadonlyMap<string, schema.AlertRow | undefined>;
  readonly accessTokens: ReadonlyMap<string, schema.AccessTokenRow | undefined>;
}

/** How the store passes the database's rows to the registry: synchronously, and never in the middle of a transaction's work. */
export interface Feed {
  /** The database was opened, or reached again: everything may be other than it was. */
  replace(contents: Contents): void;
  apply(changes: Changes): void;
  /** Events that another slum has written; asked for only while somebody listens. */
  events(rows: readonly schema.EventRow[]): void;
  readonly wantsEvents: boolean;
}

/** Which events are asked for; all that are given have to fit. */
export interface EventFilter {
  readonly after?: number | undefined;
  readonly sinceMs?: number | undefined;
  readonly kind?: string | undefined;
  readonly actor?: string | undefined;
  readonly server?: string | undefined;
  readonly tenant?: string | undefined;
  /** The newest so many. */
  readonly limit: number;
}

export type WriteSize = "few" | "many";

export interface Store extends AsyncDisposable {
  /** How often `poll` is due. */
  readonly pollMs: number;
  /** Opens the database, migrates it, and feeds what is in it. Throws a Fault each time that fails. */
  open(): Promise<void>;
  /**
   * One transaction: all of `work` or nothing. `committed` is called at the moment in which it is in force, before anything
   * else is fed. `work` may be run again when others were in its way, for `patienceMs`; what it throws is thrown on. `size`
   * says whether it may take as long as a change of many rows takes, while nobody else can write.
   */
  transact<T>(
    work: (tables: Tables) => T,
    patienceMs: number,
    committed: () => void,
    size?: WriteSize,
  ): Promise<T>;
  /** Tells whether the database can be used, feeds what others have changed, and publishes what this slum has observed. */
  poll(observations: Observations): Promise<void>;
  /** What the other slums have observed of the servers lately. */
  readonly otherSlums: readonly OtherSlum[];
  /** Whether all running slums have had the time to publish: not when the database has only just been reached again. */
  readonly hasHeardFromAll: boolean;
  events(filter: EventFilter): Promise<readonly schema.EventRow[]>;
  /** Milliseconds of a clock that all slums on this database share, and that does not jump while they run. */
  now(): number;
  /** The Fault for what the database threw; undefined for anything else. */
  faultOf(thrown: unknown): Fault | undefined;
}
