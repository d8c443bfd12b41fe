// The sender of webhooks: takes each receiver's messages out of the outbox in order, and tries again for a day.
import { Fault, messageOf } from "../core/fault.ts";
import type { Clock } from "../platform/clock.ts";
import type { Log } from "../platform/log.ts";
import type { Upstream } from "../proxy/exchange.ts";
import type { Alert } from "./alerts.ts";
import { addressOf, post, type Reply } from "./receiver.ts";
import type { DeliveryRow, Registry, WebhookRow, Writer } from "./registry.ts";
import { signedHeaders } from "./signature.ts";

export interface Webhooks extends Disposable {
  /** Puts a message into the outbox of every receiver that wants its type, within the caller's transaction. */
  enqueue(writer: Writer, alert: Pick<Alert, "type" | "data">): void;
  /** Something was put into the outbox: look at it now. */
  kick(): void;
  /** Sends a sample past the outbox and answers what came back. Rejects with a Fault. */
  test(row: WebhookRow, signal: AbortSignal): Promise<Reply>;
}

export interface WebhooksParts {
  readonly registry: Registry;
  readonly clock: Clock;
  /** Its own, so that a slow receiver is no business of the traffic's. */
  readonly upstream: Upstream;
  readonly log: Log;
  readonly random?: () => number;
}

const TICK_MS = 1_000;
const FIRST_RETRY_MS = 5_000;
const RETRY_MAX_MS = 3_600_000;
const GIVE_UP_AFTER_MS = 24 * 3_600_000;
const WAITING_MAX = 10_000;
const GONE = 410;

export function createWebhooks(parts: WebhooksParts): Webhooks {
  const { registry, clock, upstream, log, random = Math.random } = parts;
  const stop = clock.every(TICK_MS, kick);
  const ended = new AbortController();
  /** Receivers that are being sent to. */
  const busy = new Set<string>();
  /** Monotonic time before which a receiver is left alone. */
  const restingUntilMs = new Map<string, number>();
  /** Taken by their receiver, but not yet out of the outbox, as the registry did not take that. */
  const taken = new Set<number>();

  function kick(): void {
    const nowMs = clock.monotonic();
    for (const delivery of oldest()) {
      const row = registry.webhooks.get(delivery.webhook);
      if (!row || row.disabled !== null || busy.has(row.id)) continue;
      if ((restingUntilMs.get(row.id) ?? 0) > nowMs) continue;
      busy.add(row.id);
      void deliver(row, delivery).finally(() => {
        busy.delete(row.id);
        if (!ended.signal.aborted) kick();
      });
    }
  }

  /** The oldest message of each receiver; the next one waits until it is taken, so that ends never come before beginnings. */
  function oldest(): DeliveryRow[] {
    const found = new Map<string, DeliveryRow>();
    for (const delivery of [...registry.deliveries.values()]) {
      if (taken.has(delivery.seq)) {
        if (forget(delivery)) taken.delete(delivery.seq);
      } else if (!found.has(delivery.webhook)) found.set(delivery.webhook, delivery);
    }
    return [...found.values()];
  }

  async function deliver(row: WebhookRow, delivery: DeliveryRow): Promise<void> {
    const outcome = await send(row, delivery.messageId, delivery.body).catch((thrown) => messageOf(thrown));
    if (ended.signal.aborted) return;
    if (typeof outcome !== "string" && outcome.status >= 200 && outcome.status < 300) {
      restingUntilMs.delete(row.id);
      if (!forget(delivery)) taken.add(delivery.seq);
    } else if (typeof outcome !== "string" && outcome.status === GONE) disable(row);
    else postpone(row, delivery, typeof outcome === "string" ? outcome : `status ${outcome.status}`);
  }

  async function send(row: WebhookRow, id: string, body: string, signal = ended.signal): Promise<Reply> {
    const url = new URL(row.url);
    const address = await addressOf(url, row.allowPrivate);
    const timestampSecs = Math.floor(clock.now() / 1000);
    const isRotating = row.oldSecret !== null && (row.oldSecretUntil ?? 0) > clock.now();
    const secrets = isRotating && row.oldSecret !== null ? [row.secret, row.oldSecret] : [row.secret];
    return post(upstream, url, address, body, signedHeaders({ id, timestampSecs, body }, secrets), signal);
  }

  function forget(delivery: DeliveryRow): boolean {
    return registry.tryWrite((writer) => writer.deliveries.remove(delivery));
  }

  function disable(row: WebhookRow): void {
    log.warn(`webhook ${row.id}: the receiver answered 410 Gone, nothing more is sent to it`);
    const isWritten = registry.tryWrite((writer) => {
      writer.webhooks.change(row, { disabled: "answered 410 Gone" });
      for (const one of registry.deliveries.values())
        if (one.webhook === row.id) writer.deliveries.remove(one);
      writer.event("webhook.disabled", {}, `${row.id} answered 410 Gone`);
    });
    if (!isWritten) restingUntilMs.set(row.id, clock.monotonic() + RETRY_MAX_MS);
  }

  function postpone(row: WebhookRow, delivery: DeliveryRow, error: string): void {
    const attempts = delivery.attempts + 1;
    const waitMs = Math.min(FIRST_RETRY_MS * 2 ** (attempts - 1), RETRY_MAX_MS) * (0.8 + 0.4 * random());
    restingUntilMs.set(row.id, clock.monotonic() + waitMs);
    log.warn(`webhook ${row.id}: ${delivery.type} not taken (try ${attempts}): ${error}`);
    const nextAt = Math.round(clock.now() + waitMs);
    const isOver = clock.now() - delivery.createdAt >= GIVE_UP_AFTER_MS;
    registry.tryWrite((writer) => {
      if (!isOver) return writer.deliveries.change(delivery, { attempts, nextAt, lastError: error });
      writer.deliveries.remove(delivery);
      writer.event("webhook.given_up", {}, `${row.id} did not take ${delivery.type} within a day: ${error}`);
    });
  }

  return {
    kick,
    enqueue(writer, { type, data }) {
      const now = clock.now();
      const body = JSON.stringify({ type, timestamp: new Date(now).toISOString(), data });
      const messageId = `msg_${crypto.randomUUID().replaceAll("-", "")}`;
      for (const row of registry.webhooks.values()) {
        if (row.disabled !== null || (row.types && !row.types.includes(type))) continue;
        const waiting = [...registry.deliveries.values()].filter(({ webhook }) => webhook === row.id);
        const [oldest] = waiting;
        if (oldest && waiting.length >= WAITING_MAX) writer.deliveries.remove(oldest);
        const fresh = { webhook: row.id, messageId, type, body, createdAt: now, attempts: 0, nextAt: now };
        writer.deliveries.add(fresh);
      }
    },
    async test(row, signal) {
      const now = new Date(clock.now()).toISOString();
      const data = { message: "a sample from slum webhook test" };
      const body = JSON.stringify({ type: "webhook.test", timestamp: now, data });
      const both = AbortSignal.any([signal, ended.signal]);
      return send(row, `msg_${crypto.randomUUID().replaceAll("-", "")}`, body, both);
    },
    [Symbol.dispose]() {
      stop();
      ended.abort(new Fault("stopped_waiting", "slum ends"));
    },
  };
}
