// The tables of receivers and of the outbox, as a SQLite registry has them.
import { integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import { KINDS } from "../kinds.ts";

/** Receivers of webhooks. Times are milliseconds since the epoch, of the wall clock. */
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
    /** Types of messages, and `rollout.*` for all of a kind; null: every type. */
    types: text({ mode: "json" }).$type<readonly string[]>(),
    allowPrivate: integer({ mode: "boolean" }).notNull(),
    /** Why nothing is sent to it any more. */
    disabled: text(),
    createdAt: integer().notNull(),
    /** Which form its messages have. */
    kind: text({ enum: KINDS }).notNull().default("standard"),
    /** What it said to the last message, samples included, and when. */
    lastAnswer: text(),
    lastAnswerAt: integer(),
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
    /** The process that sends it, and until when nobody else does. */
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

export type WebhookRow = Readonly<typeof webhooks.$inferSelect>;
export type DeliveryRow = Readonly<typeof deliveries.$inferSelect>;
export type AlertRow = Readonly<typeof alerts.$inferSelect>;
export type NewWebhookRow = typeof webhooks.$inferInsert;
export type NewDeliveryRow = typeof deliveries.$inferInsert;
