// The registry's tables in a PostgreSQL-compatible database: the columns of schema.ts, and what several slums agree by.
import {
  bigint,
  boolean,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTableCreator,
  primaryKey,
  text,
  uniqueIndex,
} from "drizzle-orm/pg-core";
import { SCOPES } from "../../../api/principal.ts";
import { KINDS } from "../../../webhooks/kinds.ts";

/** The database may be shared with others, so that each name says whose it is. */
const table = pgTableCreator((name) => `slum_${name}`);
const time = () => bigint({ mode: "number" });
/** Given by the slum that writes: the revision, and the row's place in its transaction. */
const seq = () => bigint({ mode: "number" }).primaryKey();

export const servers = table(
  "servers",
  {
    seq: seq(),
    id: text().notNull(),
    url: text().notNull(),
    region: text(),
    healthPath: text().notNull(),
    addressing: text({ enum: ["header", "host"] }).notNull(),
    host: text({ enum: ["auto", "keep", "server"] })
      .notNull()
      .default("auto"),
    keepsHost: boolean(),
    drained: boolean().notNull(),
    createdAt: time().notNull(),
    status: text({ enum: ["unknown", "online", "offline"] }).notNull(),
    statusAt: time().notNull(),
    latencyMs: doublePrecision(),
    lastError: text(),
    lastErrorAt: time(),
  },
  (row) => [uniqueIndex("slum_servers_id").on(row.id), uniqueIndex("slum_servers_url").on(row.url)],
);

export const tenants = table(
  "tenants",
  {
    seq: seq(),
    id: text().notNull(),
    domain: text().notNull(),
    server: text().notNull(),
    service: text().notNull(),
    instance: text(),
    failover: jsonb().$type<readonly string[]>(),
    writes: text({ enum: ["home", "any"] }).notNull(),
    createdAt: time().notNull(),
  },
  (row) => [uniqueIndex("slum_tenants_id").on(row.id), uniqueIndex("slum_tenants_domain").on(row.domain)],
);

export const webhooks = table(
  "webhooks",
  {
    seq: seq(),
    id: text().notNull(),
    url: text().notNull(),
    secret: text().notNull(),
    oldSecret: text(),
    oldSecretUntil: time(),
    types: jsonb().$type<readonly string[]>(),
    allowPrivate: boolean().notNull(),
    disabled: text(),
    createdAt: time().notNull(),
    kind: text({ enum: KINDS }).notNull().default("standard"),
    lastAnswer: text(),
    lastAnswerAt: time(),
  },
  (row) => [uniqueIndex("slum_webhooks_id").on(row.id)],
);

export const deliveries = table(
  "deliveries",
  {
    seq: seq(),
    webhook: text().notNull(),
    messageId: text().notNull(),
    type: text().notNull(),
    body: text().notNull(),
    createdAt: time().notNull(),
    attempts: integer().notNull(),
    nextAt: time().notNull(),
    lastError: text(),
    claimedBy: text(),
    claimedUntil: time(),
  },
  (row) => [uniqueIndex("slum_deliveries_message").on(row.webhook, row.messageId)],
);

export const alerts = table("alerts", {
  thing: text().primaryKey(),
  begunAt: time().notNull(),
  open: boolean().notNull(),
});

export const events = table("events", {
  seq: seq(),
  at: time().notNull(),
  kind: text().notNull(),
  server: text(),
  tenant: text(),
  detail: text().notNull(),
  actor: text(),
  origin: text(),
  operation: text(),
});

export const tokens = table("tokens", {
  hash: text().primaryKey(),
  createdAt: time().notNull(),
});

export const accessTokens = table("access_tokens", {
  hash: text().primaryKey(),
  name: text().notNull(),
  scope: text({ enum: SCOPES }).notNull(),
  services: jsonb().$type<readonly string[]>(),
  tenant: text(),
  createdAt: time().notNull(),
  createdBy: text(),
  expiresAt: time(),
  revokedAt: time(),
  usedAt: time(),
  usedFrom: text(),
});

/** One row: every write holds it and makes its number one more, so that writes follow each other and each is seen. */
export const revisions = table("revision", {
  id: integer().primaryKey(),
  number: bigint({ mode: "number" }).notNull(),
  /** From this one on it is still known what has changed. */
  since: bigint({ mode: "number" }).notNull(),
});

/** Which rows a revision has changed; what they are now is in their tables, or they are gone. */
export const changes = table(
  "changes",
  {
    revision: bigint({ mode: "number" }).notNull(),
    table: text().notNull(),
    key: text().notNull(),
  },
  (row) => [primaryKey({ columns: [row.revision, row.table, row.key] })],
);

/** The slums that work with this registry, and what each has seen of the servers. */
export const slums = table("slums", {
  id: text().primaryKey(),
  seenAt: time().notNull(),
  observations: text("sightings").notNull(),
});

/** Accounts, certificates and what is known of names, shared by the slums: texts by kind and key, sealed where they are secrets; null is gone. */
export const certificates = table(
  "certificates",
  {
    kind: text().notNull(),
    key: text().notNull(),
    text: text(),
    /** By the database's clock: others read what has changed since they last did. */
    changedAt: time().notNull(),
  },
  (row) => [
    primaryKey({ columns: [row.kind, row.key] }),
    index("slum_certificates_changed").on(row.changedAt),
  ],
);

/** Which slum changes the certificate of a name now, and until when by the database's clock. */
export const certificateLeases = table("certificate_leases", {
  key: text().primaryKey(),
  holder: text().notNull(),
  until: time().notNull(),
});
