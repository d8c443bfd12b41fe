// Receivers of webhooks, their outbox, and what was announced: events become messages in the transaction that they tell of.
import { eq } from "drizzle-orm";
import type { BunSQLiteDatabase } from "drizzle-orm/bun-sqlite";
import type { SecretBox } from "../../platform/storage/secret-box.ts";
import { statementsOf } from "../../platform/storage/sqlite-statements.ts";
import { type Rows, TableCopy } from "../../platform/storage/table-copy.ts";
import {
  type AlertRow,
  alerts,
  type DeliveryRow,
  deliveries,
  type NewDeliveryRow,
  type NewWebhookRow,
  type WebhookRow,
  webhooks,
} from "../../webhooks/registry/tables.ts";
import { WebhookSecrets } from "../../webhooks/registry/webhook-secrets.ts";
import { type Begun, enqueue, type Message, type WebhookWriter } from "../../webhooks/store.ts";
import { alertText, roleOf, thingOf, typeOf } from "./alert-kinds.ts";
import { events } from "./schema.ts";

type EventRow = Readonly<typeof events.$inferSelect>;

/** The writes of one transaction. */
export interface OutboxRows {
  readonly webhooks: Rows<WebhookRow, NewWebhookRow>;
  readonly deliveries: Rows<DeliveryRow, NewDeliveryRow>;
  readonly alerts: Rows<AlertRow, AlertRow>;
}

/** How long an end is remembered, so that the same does not begin again and again. */
const MEMORY_MS = 3_600_000;

export class OutboxTables {
  readonly #secrets: WebhookSecrets;
  readonly #webhooks = new TableCopy<WebhookRow, NewWebhookRow, string>(({ id }) => id);
  readonly #deliveries = new TableCopy<DeliveryRow, NewDeliveryRow, number>(({ seq }) => seq);
  readonly #alerts = new TableCopy<AlertRow, AlertRow, string>(({ thing }) => thing);
  readonly #db: BunSQLiteDatabase;

  /** `box` seals the secrets of receivers; they lie in the database in clear without it. */
  constructor(db: BunSQLiteDatabase, box: SecretBox | undefined) {
    this.#db = db;
    this.#secrets = new WebhookSecrets(box);
    const rows = db.select().from(webhooks).orderBy(webhooks.seq).all();
    this.#webhooks.load(rows.map((row) => this.#secrets.opened(row)));
    this.#deliveries.load(db.select().from(deliveries).orderBy(deliveries.seq).all());
    this.#alerts.load(db.select().from(alerts).all());
  }

  get webhooks(): ReadonlyMap<string, WebhookRow> {
    return this.#webhooks.rows;
  }

  get deliveries(): ReadonlyMap<number, DeliveryRow> {
    return this.#deliveries.rows;
  }

  get alerts(): ReadonlyMap<string, AlertRow> {
    return this.#alerts.rows;
  }

  get secretsInClear(): ReadonlySet<string> {
    return this.#secrets.inClear;
  }

  /** `effects` are to be called in order when the transaction has committed. */
  rows(effects: (() => void)[]): OutboxRows {
    const of = statementsOf;
    const secret = this.#secrets.sealing(of(this.#db, webhooks, webhooks.id));
    return {
      webhooks: this.#webhooks.writer(secret, effects),
      deliveries: this.#deliveries.writer(of(this.#db, deliveries, deliveries.seq), effects),
      alerts: this.#alerts.writer(of(this.#db, alerts, alerts.thing), effects),
    };
  }

  /** Puts an event that is worth it into the outbox: a beginning once until its end, an end only after its beginning. */
  announce(rows: OutboxRows, event: EventRow, note: WebhookWriter["event"]): void {
    const type = typeOf(event.kind);
    const role = roleOf(type);
    if (role === undefined) return;
    if (role !== "tells" && !this.#turn(rows.alerts, thingOf(event), role === "begins", event.at)) return;
    enqueue(this, { ...rows, event: note }, messageOf(event), { nowMs: event.at, wallMs: event.at });
  }

  /** What was told of and has not ended, by the event that told of it. */
  underWay(): Begun[] {
    const open = [...this.alerts.values()].filter((row) => row.open);
    return open.flatMap(({ thing, begunAt }) => {
      const told = this.#db.select().from(events).where(eq(events.at, begunAt)).all();
      const event = told.find((one) => roleOf(one.kind) === "begins" && thingOf(one) === thing);
      return event ? [{ message: messageOf(event), atMs: begunAt }] : [];
    });
  }

  /** Whether it was otherwise before. */
  #turn(rows: OutboxRows["alerts"], thing: string, open: boolean, at: number): boolean {
    const known = this.alerts.get(thing);
    if ((known?.open ?? false) === open) return false;
    if (known) rows.change(known, open ? { open, begunAt: at } : { open });
    else rows.add({ thing, open, begunAt: at });
    for (const row of this.alerts.values())
      if (!row.open && at - row.begunAt > MEMORY_MS && row.thing !== thing) rows.remove(row);
    return true;
  }
}

function messageOf(event: EventRow): Message {
  const { service, instance, detail, actor } = event;
  const type = typeOf(event.kind);
  const data = {
    ...(service !== "" && { service }),
    ...(instance !== null && { instance: `${service}:${instance}` }),
    detail,
    ...(actor !== null && { by: actor }),
  };
  return { type, text: alertText({ ...event, kind: type }), data };
}
