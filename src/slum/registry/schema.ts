// The registry's tables: servers, tenants, events, receivers of webhooks and their outbox.
import { integer, real, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import { SCOPES } from "../../api/principal.ts";

/** `seq` orders creation. Times are milliseconds since the epoch, of the wall clock. */
export const servers = sqliteTable(
  "servers",
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    id: text().notNull(),
    url: text().notNull(),
    region: text(),
    healthPath: text().notNull(),
    addressing: text({ enum: ["header", "host"] }).notNull(),
    /** The Host that it is sent: the visitor's, its own, or what the checks have found to work. */
    host: text({ enum: ["auto", "keep", "server"] })
      .notNull()
      .default("auto"),
    /** For `auto`: whether the last probe has found that the visitor's works. */
    keepsHost: integer({ mode: "boolean" }),
    drained: integer({ mode: "boolean" }).notNull(),
    createdAt: integer().notNull(),
    /** The health as of its last change: what is shown until the first check after a start. */
    status: text({ enum: ["unknown", "online", "offline"] }).notNull(),
    statusAt: integer().notNull(),
    latencyMs: real(),
    lastError: text(),
    lastErrorAt: integer(),
  },
  (table) => [uniqueIndex("servers_id").on(table.id), uniqueIndex("servers_url").on(table.url)],
);

export const tenants = sqliteTable(
  "tenants",
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    id: text().notNull(),
    domain: text().notNull(),
    server: text().notNull(),
    service: text().notNull(),
    instance: text(),
    /** Null: all other servers, by latency. */
    failover: text({ mode: "json" }).$type<readonly string[]>(),
    writes: text({ enum: ["home", "any"] }).notNull(),
    createdAt: integer().notNull(),
  },
  (table) => [uniqueIndex("tenants_id").on(table.id), uniqueIndex("tenants_domain").on(table.domain)],
);

/** Receivers of webhooks. */
export const webhooks = sqliteTable(
  "webhooks",
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    id: text().notNull(),
    url: text().notNull(),
    secret: text().notNull(),
    /** The secret before the last rotation signs too, until then. */
    oldSecret: text(),
    oldSecretUntil: integer(),
    /** Null: every type. */
    types: text({ mode: "json" }).$type<readonly string[]>(),
    allowPrivate: integer({ mode: "boolean" }).notNull(),
    /** Why nothing is sent to it any more. */
    disabled: text(),
    createdAt: integer().notNull(),
  },
  (table) => [uniqueIndex("webhooks_id").on(table.id)],
);

/** The outbox: one row for each message to each receiver, until it has taken it. */
export const deliveries = sqliteTable(
  "deliveries",
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    webhook: text().notNull(),
    messageId: text().notNull(),
    type: text().notNull(),
    body: text().notNull(),
    createdAt: integer().notNull(),
    attempts: integer().notNull(),
    nextAt: integer().notNull(),
    lastError: text(),
    /** The slum that sends it, and until when nobody else does. */
    claimedBy: text(),
    claimedUntil: integer(),
  },
  (table) => [uniqueIndex("deliveries_message").on(table.webhook, table.messageId)],
);

/** Things whose beginning was announced: open until their end was announced too. */
export const alerts = sqliteTable("alerts", {
  thing: text().primaryKey(),
  begunAt: integer().notNull(),
  open: integer({ mode: "boolean" }).notNull(),
});

export const events = sqliteTable("events", {
  seq: integer().primaryKey({ autoIncrement: true }),
  at: integer().notNull(),
  kind: text().notNull(),
  server: text(),
  tenant: text(),
  detail: text().notNull(),
  /** On whose behalf, from where, and by which operation; null when a slum did it by itself. */
  actor: text(),
  origin: text(),
  operation: text(),
});

/** Those of earlier versions, which had neither name nor scope. */
export const tokens = sqliteTable("tokens", {
  hash: text().primaryKey(),
  createdAt: integer().notNull(),
});

/** Only the SHA-256 of a token is kept. A table of its own: to slums of earlier versions every token that they know is an admin's. */
export const accessTokens = sqliteTable("access_tokens", {
  hash: text().primaryKey(),
  name: text().notNull(),
  scope: text({ enum: SCOPES }).notNull(),
  services: text({ mode: "json" }).$type<readonly string[]>(),
  tenant: text(),
  createdAt: integer().notNull(),
  createdBy: text(),
  expiresAt: integer(),
  revokedAt: integer(),
  usedAt: integer(),
  usedFrom: text(),
});

export type ServerRow = Readonly<typeof servers.$inferSelect>;
export type TenantRow = Readonly<typeof tenants.$inferSelect>;
export type WebhookRow = Readonly<typeof webhooks.$inferSelect>;
export type DeliveryRow = Readonly<typeof deliveries.$inferSelect>;
export type AccessTokenRow = Readonly<typeof accessTokens.$inferSelect>;
export type AlertRow = Readonly<typeof alerts.$inferSelect>;
export type EventRow = Readonly<typeof events.$inferSelect>;
export type NewServerRow = typeof servers.$inferInsert;
export type NewTenantRow = typeof tenants.$inferInsert;
export type NewWebhookRow = typeof webhooks.$inferInsert;
export type NewDeliveryRow = typeof deliveries.$inferInsert;
export type NewEventRow = typeof events.$inferInsert;
