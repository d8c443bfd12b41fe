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

/** What a receiver that takes nothing may have waiting; the oldest goes first. */
const WAITING_MAX = 10_000;

/**
 * Puts a message into the outbox of every receiver that wants its type, within the caller's transaction, which may be tried
 * again. `nowMs` is of the registry's clock, `wallMs` the time that receivers are told.
 */
export function enqueue(
  { webhooks, deliveries }: Pick<WebhookStore, "webhooks" | "deliveries">,
  writer: Pick<WebhookWriter, "deliveries">,
  { alsoTo, ...message }: Message,
  { nowMs, wallMs }: { readonly nowMs: number; readonly wallMs: number },
): void {
  const { type, text, data } = message;
  const wanting = [...webhooks.values()].filter((row) => row.disabled === null && wants(row, type, alsoTo));
  if (wanting.length === 0) return;
  const now = Math.round(nowMs);
  const body = JSON.stringify({ type, timestamp: new Date(wallMs).toISOString(), text, data });
  const messageId = `msg_${crypto.randomUUID().replaceAll("-", "")}`;
  for (const row of wanting) {
    const waiting = [...deliveries.values()].filter(({ webhook }) => webhook === row.id);
    const [oldest] = waiting;
    if (oldest && waiting.length >= WAITING_MAX) writer.deliveries.remove(oldest);
    const fresh = { webhook: row.id, messageId, type, body, createdAt: now, attempts: 0, nextAt: now };
    writer.deliveries.add(fresh);
  }
}

function wants({ types }: WebhookRow, type: string, alsoTo: string | undefined): boolean {
  return (
    types === null || types.some((one) => covers(one, type) || (alsoTo !== undefined && covers(one, alsoTo)))
  );
}

/** Whether `rollout.*`, or the very type, means it. */
export function covers(pattern: string, type: string): boolean {
  return pattern.endsWith(".*") ? type.startsWith(pattern.slice(0, -1)) : pattern === type;
}
