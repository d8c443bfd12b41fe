// What the outbox needs of a registry, and how a message gets into it: in the transaction of what it tells of.
import type { Rows } from "../platform/storage/table-copy.ts";
import type { DeliveryRow, NewDeliveryRow, NewWebhookRow, WebhookRow } from "./registry/tables.ts";

/** The writes of one transaction, as far as they are the outbox's. */
export interface WebhookWriter {
  readonly webhooks: Rows<WebhookRow, NewWebhookRow>;
  readonly deliveries: Rows<DeliveryRow, NewDeliveryRow>;
  /** Notes what was done to a receiver, or what it did. */
  event(kind: string, subject: Record<never, never>, detail: string): void;
}

/** The receivers and what waits for them; everything is read from a copy in memory. */
export interface WebhookStore {
  readonly webhooks: ReadonlyMap<string, WebhookRow>;
  /** By `seq`: oldest first. */
  readonly deliveries: ReadonlyMap<number, DeliveryRow>;
  /** Receivers whose secrets lie in the database in clear, though there is a key. */
  readonly secretsInClear: ReadonlySet<string>;
  /** Why the database could not be used the last time; undefined while all is well. */
  readonly trouble: string | undefined;
  /** One transaction; a Fault when it cannot be written. */
  write<T>(work: (writer: WebhookWriter) => T): Promise<T>;
  /** One try; undefined when it could not be written. */
  tryWrite<T>(work: (writer: WebhookWriter) => T): Promise<T | undefined>;
  /** Milliseconds of the registry's clock. */
  now(): number;
}

export interface Message {
  readonly type: string;
  /** One sentence for people. */
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
  /** Who asked for messages of that type gets this one too. */
  readonly alsoTo?: string;
}

/** What a receiver that takes nothing may have waiting. */
export const WAITING_MAX = 10_000;
/** Beyond that so many of the oldest are dropped together, with one event that says so. */
const DROPPED_AT_ONCE = 1_000;

interface Times {
  /** Of the registry's clock. */
  readonly nowMs: number;
  /** What receivers are told. */
  readonly wallMs: number;
}

/** Puts a message into the outbox of every receiver that wants its type, within the caller's transaction, which may be tried again. */
export function enqueue(
  { webhooks, deliveries }: Pick<WebhookStore, "webhooks" | "deliveries">,
  writer: Pick<WebhookWriter, "deliveries" | "event">,
  message: Message,
  times: Times,
): void {
  const wanting = [...webhooks.values()].filter((row) => row.disabled === null && wants(row, message));
  if (wanting.length === 0) return;
  const waiting = waitingByReceiver(deliveries);
  const put = rowOf(message, times);
  for (const row of wanting) {
    dropOldest(writer, row, waiting.get(row.id) ?? []);
    writer.deliveries.add(put(row));
  }
}

/** Trouble that was told of and has not ended. */
export interface Begun {
  readonly message: Message;
  /** Since when, of the wall clock. */
  readonly atMs: number;
}

/** Who is added in the middle of trouble is told of it too: its end will come, and must not be without a beginning. */
export function tellBegun(
  writer: Pick<WebhookWriter, "deliveries">,
  row: WebhookRow,
  begun: readonly Begun[],
  nowMs: number,
): void {
  for (const { message, atMs } of begun)
    if (wants(row, message)) writer.deliveries.add(rowOf(message, { nowMs, wallMs: atMs })(row));
}

/** The rows of one message, which have its id in common. */
function rowOf({ type, text, data }: Message, { nowMs, wallMs }: Times): (row: WebhookRow) => NewDeliveryRow {
  const now = Math.round(nowMs);
  const body = JSON.stringify({ type, timestamp: new Date(wallMs).toISOString(), text, data });
  const messageId = `msg_${crypto.randomUUID().replaceAll("-", "")}`;
  return ({ id }) => ({ webhook: id, messageId, type, body, createdAt: now, attempts: 0, nextAt: now });
}

/** What waits for each receiver, oldest first. */
export function waitingByReceiver(
  deliveries: WebhookStore["deliveries"],
): ReadonlyMap<string, readonly DeliveryRow[]> {
  return Map.groupBy(deliveries.values(), ({ webhook }) => webhook);
}

function dropOldest(
  writer: Pick<WebhookWriter, "deliveries" | "event">,
  { id }: WebhookRow,
  waiting: readonly DeliveryRow[],
): void {
  if (waiting.length < WAITING_MAX) return;
  for (const one of waiting.slice(0, DROPPED_AT_ONCE)) writer.deliveries.remove(one);
  writer.event(
    "webhook.dropped",
    {},
    `${id} takes nothing: of the ${waiting.length} messages that waited the ${DROPPED_AT_ONCE} oldest are dropped`,
  );
}

function wants({ types }: WebhookRow, { type, alsoTo }: Message): boolean {
  return (
    types === null || types.some((one) => covers(one, type) || (alsoTo !== undefined && covers(one, alsoTo)))
  );
}

/** Whether `*`, `rollout.*`, or the very type, means it. */
export function covers(pattern: string, type: string): boolean {
  if (pattern === "*") return true;
  return pattern.endsWith(".*") ? type.startsWith(pattern.slice(0, -1)) : pattern === type;
}
