// The registry: a store of rows and its copy in memory. Everything reads the copy; every write goes to the store first.
import type { Acting, Actor } from "../../api/acting.ts";
import type { Principal } from "../../api/principal.ts";
import { Fault, messageOf } from "../../core/fault.ts";
import type { SecretBox } from "../../platform/storage/secret-box.ts";
import { type Rows, TableCopy } from "../../platform/storage/table-copy.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { WebhookSecrets } from "../../webhooks/registry/webhook-secrets.ts";
import type { Observations, OtherSlum } from "./observations.ts";
import { type RoutingChange, RoutingChanges } from "./routing-changes.ts";
import type * as schema from "./schema.ts";
import type {
  AccessTokenRow,
  AlertRow,
  DeliveryRow,
  EventRow,
  ServerRow,
  TenantRow,
  WebhookRow,
} from "./schema.ts";
import type { EventFilter, Feed, Store, Tables, WriteSize } from "./store.ts";

/** Whom an event is about. */
export interface Subject {
  readonly server?: string;
  readonly tenant?: string;
}

/** The writes that one transaction may make; the copy in memory follows when it has committed. */
export interface Writer {
  readonly servers: Rows<ServerRow, schema.NewServerRow>;
  readonly tenants: Rows<TenantRow, schema.NewTenantRow>;
  readonly webhooks: Rows<WebhookRow, schema.NewWebhookRow>;
  readonly deliveries: Rows<DeliveryRow, schema.NewDeliveryRow>;
  readonly alerts: Rows<AlertRow, AlertRow>;
  /** `at` is its time on the wall clock; now unless given. */
  event(kind: string, subject: Subject, detail: string, at?: number): void;
  readonly accessTokens: Rows<AccessTokenRow, AccessTokenRow>;
}

/** What routing needs, for a start without the database. */
export interface RoutingRows {
  readonly servers: readonly ServerRow[];
  readonly tenants: readonly TenantRow[];
}

export interface Registry extends AsyncDisposable {
  readonly servers: ReadonlyMap<string, ServerRow>;
  readonly tenants: ReadonlyMap<string, TenantRow>;
  readonly webhooks: ReadonlyMap<string, WebhookRow>;
  /** By `seq`: oldest first. */
  readonly deliveries: ReadonlyMap<number, DeliveryRow>;
  readonly alerts: ReadonlyMap<string, AlertRow>;
  /** Receivers whose secrets lie in the database in clear, though there is a key. */
  readonly secretsInClear: ReadonlySet<string>;
  /** What the other slums on this registry have observed of the servers lately. */
  readonly otherSlums: readonly OtherSlum[];
  /** Whether those have all had the time to publish. */
  readonly hasHeardFromAll: boolean;
  /** Why the database could not be used the last time; undefined while all is well. */
  readonly trouble: string | undefined;
  /** Monotonic time of the last moment at which the copy was known to be what the database says; undefined: not since the start. */
  readonly currentMs: number | undefined;
  readonly pollMs: number;
  /** Runs one transaction. While others are in its way it is tried again, for 5 s; then a fault. `work` may run several times. */
  write<T>(work: (writer: Writer) => T, size?: WriteSize): Promise<T>;
  /** Notes what somebody was refused or failed to do. Never rejects: what cannot be written now is not. */
  audit(kind: string, detail: string): Promise<void>;
  /** One try without waiting. Undefined when it could not be written: nothing has changed then, and `trouble` says why. */
  tryWrite<T>(work: (writer: Writer) => T, size?: WriteSize): Promise<T | undefined>;
  /** Tells whether the database can be used, and follows what others have changed. */
  poll(observations: Observations): Promise<void>;
  events(filter: EventFilter): Promise<readonly EventRow[]>;
  /** Calls back for every event from now on, until the returned function is called. */
  onEvent(call: (event: EventRow) => void): () => void;
  /** Calls back for what routing has to follow; a change is in force for it before `write` has returned. */
  onChange(call: (change: RoutingChange) => void): void;
  /** By hash; the last ones read while the database cannot be. */
  readonly accessTokens: ReadonlyMap<string, AccessTokenRow>;
  /** Milliseconds of the clock that all slums on this registry share. */
  now(): number;
}

export interface RegistryOptions {
  readonly store: (feed: Feed) => Store;
  readonly clock: Clock;
  /** What to go on with while the database cannot be opened; without it, a failure to open is thrown. */
  readonly fallback: RoutingRows | undefined;
  /** Seals the secrets of receivers in the database; they lie there in clear without it. */
  readonly box?: SecretBox | undefined;
  /** On whose behalf writes are; nobody's unless given. */
  readonly acting?: Pick<Acting, "current">;
}

const PATIENCE_MS = 5_000;

/** Opens the database; it is closed by disposing the registry. */
export async function openRegistry({
  store: createStore,
  clock,
  fallback,
  box,
  acting = { current: () => undefined },
}: RegistryOptions): Promise<Registry> {
  const routing = new RoutingChanges();
  const servers = new TableCopy<ServerRow, schema.NewServerRow, string>(({ id }) => id, routing.server);
  const tenants = new TableCopy<TenantRow, schema.NewTenantRow, string>(({ id }) => id, routing.tenant);
  const secrets = new WebhookSecrets(box);
  const webhooks = new TableCopy<WebhookRow, schema.NewWebhookRow, string>(({ id }) => id);
  const deliveries = new TableCopy<DeliveryRow, schema.NewDeliveryRow, number>(({ seq }) => seq);
  const alerts = new TableCopy<AlertRow, AlertRow, string>(({ thing }) => thing);
  const accessTokens = new TableCopy<AccessTokenRow, AccessTokenRow, string>(({ hash }) => hash);
  const listeners = new Set<(event: EventRow) => void>();
  let trouble: string | undefined;
  let currentMs: number | undefined;

  const emit = (row: EventRow) => {
    for (const listener of listeners) listener(row);
  };

  const store = createStore({
    replace(contents) {
      servers.load(contents.servers);
      tenants.load(contents.tenants);
      webhooks.load(Array.from(contents.webhooks, (row) => secrets.opened(row)));
      deliveries.load(contents.deliveries);
      alerts.load(contents.alerts);
      accessTokens.load(contents.accessTokens);
      currentMs = clock.monotonic();
      routing.tellAll();
    },
    apply(changes) {
      for (const [key, row] of changes.servers) servers.set(key, row);
      for (const [key, row] of changes.tenants) tenants.set(key, row);
      for (const [key, row] of changes.webhooks) webhooks.set(key, row && secrets.opened(row));
      for (const [key, row] of changes.deliveries) deliveries.set(key, row);
      for (const [key, row] of changes.alerts) alerts.set(key, row);
      for (const [key, row] of changes.accessTokens) accessTokens.set(key, row);
      routing.tell();
    },
    events: (rows) => rows.forEach(emit),
    get wantsEvents() {
      return listeners.size > 0;
    },
  });

  function writerTo(tables: Tables, effects: (() => void)[], actor: Actor | undefined): Writer {
    return {
      servers: servers.writer(tables.servers, effects),
      tenants: tenants.writer(tables.tenants, effects),
      webhooks: webhooks.writer(secrets.sealing(tables.webhooks), effects),
      deliveries: deliveries.writer(tables.deliveries, effects),
      alerts: alerts.writer(tables.alerts, effects),
      event(kind, { server = null, tenant = null }, detail, at = clock.now()) {
        const { principal, from: origin = null, operation = null } = actor ?? {};
        const by = { actor: principal?.name ?? null, origin, operation };
        const row = tables.insertEvent({ at, kind, server, tenant, detail, ...by });
        effects.push(() => emit(row));
      },
      accessTokens: accessTokens.writer(tables.accessTokens, effects),
    };
  }

  /** All of `work` or nothing, in the database and in memory; notes whether the database is in order. */
  async function attempt<T>(
    work: (writer: Writer) => T,
    patienceMs: number,
    { size, actor }: { readonly size?: WriteSize | undefined; readonly actor?: Actor | undefined } = {},
  ): Promise<T> {
    let effects: (() => void)[] = [];
    const run = (tables: Tables) => {
      effects = [];
      return work(writerTo(tables, effects, actor));
    };
    return noting(() =>
      store.transact(
        run,
        patienceMs,
        () => {
          for (const effect of effects) effect();
          routing.tell();
        },
        size,
      ),
    );
  }

  async function noting<T>(use: () => Promise<T>): Promise<T> {
    try {
      const result = await use();
      trouble = undefined;
      currentMs = clock.monotonic();
      return result;
    } catch (thrown) {
      const fault = store.faultOf(thrown);
      if (fault) trouble = messageOf(fault);
      throw fault ?? thrown;
    }
  }

  async function tryWrite<T>(work: (writer: Writer) => T, size?: WriteSize): Promise<T | undefined> {
    try {
      return await attempt(work, 0, { size });
    } catch (thrown) {
      if (store.faultOf(thrown)) return undefined;
      throw thrown;
    }
  }

  await noting(() => store.open()).catch(async (thrown) => {
    trouble ??= messageOf(thrown);
    if (fallback) return;
    await store[Symbol.asyncDispose]();
    throw thrown;
  });
  if (trouble !== undefined && fallback) {
    servers.load(fallback.servers);
    tenants.load(fallback.tenants);
  }

  return {
    servers: servers.rows,
    tenants: tenants.rows,
    webhooks: webhooks.rows,
    deliveries: deliveries.rows,
    alerts: alerts.rows,
    secretsInClear: secrets.inClear,
    get otherSlums() {
      return store.otherSlums;
    },
    get hasHeardFromAll() {
      return store.hasHeardFromAll;
    },
    get trouble() {
      return trouble;
    },
    get currentMs() {
      return currentMs;
    },
    pollMs: store.pollMs,
    async write(work, size) {
      const actor = acting.current();
      if (actor) requireAdmin(actor.principal);
      return attempt(work, PATIENCE_MS, { size, actor });
    },
    async audit(kind, detail) {
      const actor = acting.current();
      await attempt((writer) => writer.event(kind, {}, detail), 0, { actor }).catch(() => {});
    },
    tryWrite,
    async poll(observations) {
      const before = trouble;
      try {
        await store.poll(observations);
        // A full disk, or a database that only reads, shows that it is over when it takes a write.
        if (before !== undefined) await tryWrite((writer) => writer.event("registry.back", {}, before));
        else currentMs = clock.monotonic();
      } catch (thrown) {
        trouble = messageOf(store.faultOf(thrown) ?? thrown);
      }
    },
    events: (filter) => store.events(filter),
    onEvent(call) {
      listeners.add(call);
      return () => listeners.delete(call);
    },
    onChange: (call) => routing.follow(call),
    accessTokens: accessTokens.rows,
    now: () => store.now(),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

/** Asked where it is written, so that no way leads around it. */
function requireAdmin({ scope, name }: Principal): void {
  if (scope !== "admin") throw new Fault("forbidden", `${name} (${scope}) may only look`);
}
