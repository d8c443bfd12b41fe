// The registry's tables: servers, tenants, events, receivers of webhooks and their outbox.
import { integer, real, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import { SCOPES } from "../../api/principal.ts";

export type {
  AlertRow,
  DeliveryRow,
  NewDeliveryRow,
  NewWebhookRow,
  WebhookRow,
} from "../../webhooks/registry/tables.ts";
export { alerts, deliveries, webhooks } from "../../webhooks/registry/tables.ts";

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
export type AccessTokenRow = Readonly<typeof accessTokens.$inferSelect>;
export type EventRow = Readonly<typeof events.$inferSelect>;
export type NewServerRow = typeof servers.$inferInsert;
export type NewTenantRow = typeof tenants.$inferInsert;
export type NewEventRow = typeof events.$inferInsert;
