// The sender of webhooks: takes each receiver's messages out of the outbox in order, and tries again for a day.
import { backoff, jittered } from "../../core/backoff.ts";
import { Fault, messageOf } from "../../core/fault.ts";
import type { Log } from "../../platform/log.ts";
import { isSealed } from "../../platform/storage/secret-box.ts";
import { type Clock, createDeadline } from "../../platform/time/clock.ts";
import type { Upstream } from "../../proxy/http-client.ts";
import type { Registry, Writer } from "../registry/registry.ts";
import type { DeliveryRow, WebhookRow } from "../registry/schema.ts";
import type { Alert, AlertType } from "./alerts.ts";
import { addressOf, post, type Reply } from "./post-webhook.ts";
import { signedHeaders } from "./signature.ts";

export interface Outbox extends Disposable {
  /** Puts a message into the outbox of every receiver that wants its type, within the caller's transaction, which may be tried again. */
  enqueue(writer: Writer, alert: Pick<Alert, "type" | "data">): void;
  /** Something was put into the outbox: look at it now. */
  kick(): void;
  /** Sends a sample past the outbox and answers what came back. Rejects with a Fault. */
  test(row: WebhookRow, signal: AbortSignal): Promise<Reply>;
}

export interface OutboxParts {
  readonly registry: Registry;
  /** Whose claim on a message keeps other slums from sending it. */
  readonly slumId: string;
  readonly clock: Clock;
  /** A connection pool of its own, so that a slow receiver holds up no visitor. */
  readonly upstream: Upstream;
  readonly log: Log;
  readonly random?: () => number;
}

/** Another slum may have it; this one neither claims nor sends. */
export const OTHER_KEY =
  "the signing secret is sealed with a key that is not here; give --key-file, put the file back, or: slum webhook rotate";

const TICK_MS = 1_000;
const FIRST_RETRY_MS = 5_000;
const RETRY_MAX_MS = 3_600_000;
const GIVE_UP_AFTER_MS = 24 * 3_600_000;
const WAITING_MAX = 10_000;
/** A try has ended before its claim has, even if that took a while to be written. */
const SEND_MAX_MS = 10_000;
const CLAIM_MS = 12_000;
const GONE = 410;

export function createOutbox(parts: OutboxParts): Outbox {
  const { registry, slumId, clock, upstream, log, random = Math.random } = parts;
  const stop = clock.every(TICK_MS, kick);
  const ended = new AbortController();
  /** This process of this slum: what an earlier one had claimed may still be in flight. */
  const self = `${slumId}/${crypto.randomUUID().slice(0, 8)}`;
  /** Receivers that are being sent to. */
  const busy = new Set<string>();
  /** Taken by their receiver, but not yet out of the outbox, as the registry did not take that. */
  const taken = new Set<number>();

  function kick(): void {
    for (const delivery of oldest()) {
      const row = registry.webhooks.get(delivery.webhook);
      if (!row || row.disabled !== null || isSealed(row.secret)) continue;
      if (busy.has(row.id) || !isDue(delivery)) continue;
      busy.add(row.id);
      void deliver(row, delivery)
        .catch((thrown) => log.error(`webhook ${row.id}: ${messageOf(thrown)}`))
        .finally(() => {
          busy.delete(row.id);
          if (!ended.signal.aborted && registry.trouble === undefined) kick();
        });
    }
  }

  /** The oldest message of each receiver; the next one waits until it is taken, so that ends never come before beginnings. */
  function oldest(): Iterable<DeliveryRow> {
    const found = new Map<string, DeliveryRow>();
    for (const delivery of registry.deliveries.values())
      if (!found.has(delivery.webhook)) found.set(delivery.webhook, delivery);
    return found.values();
  }

  /** Whether its time has come, and no other slum is about to send it. */
  function isDue({ nextAt, claimedBy, claimedUntil }: DeliveryRow): boolean {
    const now = registry.now();
    return nextAt <= now && (claimedBy === null || claimedBy === self || (claimedUntil ?? 0) <= now);
  }

  async function deliver(row: WebhookRow, { seq }: DeliveryRow): Promise<void> {
    if (taken.has(seq)) return forget(seq);
    const claimingMs = clock.monotonic();
    const delivery = await claim(seq);
    const isLate = clock.monotonic() - claimingMs > CLAIM_MS - SEND_MAX_MS;
    if (!delivery || isLate || ended.signal.aborted) return;
    const outcome = await send(row, delivery.messageId, delivery.body).catch((thrown) => messageOf(thrown));
    if (ended.signal.aborted) return;
    if (typeof outcome !== "string" && outcome.status >= 200 && outcome.status < 300) {
      taken.add(seq);
      await forget(seq);
    } else if (typeof outcome !== "string" && outcome.status === GONE) await disable(row);
    else await postpone(row, delivery, outcome);
  }

  /** The message, once it is ours to send; undefined when another slum was faster, or the registry does not answer. */
  function claim(seq: number): Promise<DeliveryRow | undefined> {
    return registry.tryWrite((writer) => {
      const delivery = registry.deliveries.get(seq);
      if (!delivery || !isDue(delivery)) return undefined;
      const claimedUntil = Math.round(registry.now() + CLAIM_MS);
      writer.deliveries.change(delivery, { claimedBy: self, claimedUntil });
      return delivery;
    });
  }

  async function send(row: WebhookRow, id: string, body: string, signal = ended.signal): Promise<Reply> {
    const url = new URL(row.url);
    if (isSealed(row.secret)) throw new Fault("conflict", OTHER_KEY);
    using inTime = createDeadline(clock, SEND_MAX_MS, signal);
    const beganMs = clock.monotonic();
    const address = await addressOf(url, row.allowPrivate, clock);
    // A process that was stopped meanwhile may be told of the address before its timer.
    if (inTime.signal.aborted || clock.monotonic() - beganMs >= SEND_MAX_MS)
      throw new Fault("unreachable", `${url.host} was not found in time`);
    const timestampSecs = Math.floor(clock.now() / 1000);
    const isRotating = row.oldSecret !== null && (row.oldSecretUntil ?? 0) > clock.now();
    const secrets =
      isRotating && row.oldSecret !== null && !isSealed(row.oldSecret)
        ? [row.secret, row.oldSecret]
        : [row.secret];
    const headers = signedHeaders({ id, timestampSecs, body }, secrets);
    return await post({ upstream, clock }, url, address, body, headers, inTime.signal);
  }

  /** A message that stays in the outbox although it was taken is not sent again, but taken out at the next look. */
  async function forget(seq: number): Promise<void> {
    const isWritten = await registry.tryWrite((writer) => {
      const delivery = registry.deliveries.get(seq);
      if (delivery) writer.deliveries.remove(delivery);
      return true;
    });
    if (isWritten) taken.delete(seq);
  }

  async function disable(row: WebhookRow): Promise<void> {
    log.warn(`webhook ${row.id}: the receiver answered 410 Gone, nothing more is sent to it`);
    await registry.tryWrite((writer) => {
      writer.webhooks.change(row, { disabled: "answered 410 Gone" });
      for (const one of registry.deliveries.values())
        if (one.webhook === row.id) writer.deliveries.remove(one);
      writer.event("webhook.disabled", {}, `${row.id} answered 410 Gone`);
    });
  }

  async function postpone(row: WebhookRow, delivery: DeliveryRow, outcome: Reply | string): Promise<void> {
    const attempts = delivery.attempts + 1;
    const error = typeof outcome === "string" ? outcome : `status ${outcome.status}`;
    const waitMs = pauseMs(attempts, typeof outcome === "string" ? undefined : outcome.retryAfterMs);
    log.warn(`webhook ${row.id}: ${delivery.type} not taken (try ${attempts}): ${error}`);
    const isOver = registry.now() - delivery.createdAt >= GIVE_UP_AFTER_MS;
    await registry.tryWrite((writer) => {
      // Whose claim has lapsed meanwhile: the message is another's now.
      if (registry.deliveries.get(delivery.seq)?.claimedBy !== self) return;
      const nextAt = Math.round(registry.now() + waitMs);
      const free = { claimedBy: null, claimedUntil: null };
      if (!isOver) return writer.deliveries.change(delivery, { attempts, nextAt, lastError: error, ...free });
      writer.deliveries.remove(delivery);
      writer.event("webhook.given_up", {}, `${row.id} did not take ${delivery.type} within a day: ${error}`);
    });
  }

  /** As long as the receiver asks for and not less, within bounds; else twice as long each time, with jitter either way. */
  function pauseMs(attempts: number, askedMs: number | undefined): number {
    if (askedMs === undefined)
      return jittered(backoff(FIRST_RETRY_MS, RETRY_MAX_MS, attempts - 1), 0.2, random());
    return Math.min(Math.max(askedMs, FIRST_RETRY_MS) * (1 + 0.2 * random()), RETRY_MAX_MS);
  }

  return {
    kick,
    enqueue(writer, { type, data }) {
      const now = Math.round(registry.now());
      const body = JSON.stringify({ type, timestamp: new Date(clock.now()).toISOString(), data });
      const messageId = `msg_${crypto.randomUUID().replaceAll("-", "")}`;
      for (const row of registry.webhooks.values()) {
        if (row.disabled !== null || !wants(row, type)) continue;
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

/** Who hears that a server is offline and online again is to hear of this end too. */
function wants({ types }: WebhookRow, type: AlertType): boolean {
  return (
    types === null || types.includes(type) || (type === "server.deleted" && types.includes("server.online"))
  );
}
