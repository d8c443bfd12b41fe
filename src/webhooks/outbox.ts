// The sender of webhooks: takes each receiver's messages out of the outbox in order, and tries again for a day.
import { backoff, jittered } from "../core/backoff.ts";
import { Fault, messageOf } from "../core/fault.ts";
import { visible } from "../core/visible.ts";
import type { Log } from "../platform/log.ts";
import { isSealed } from "../platform/storage/secret-box.ts";
import { type Clock, createDeadline } from "../platform/time/clock.ts";
import type { Upstream } from "../proxy/http-client.ts";
import { render } from "./kinds.ts";
import { addressOf, post, type Reply } from "./post-webhook.ts";
import type { DeliveryRow, WebhookRow } from "./registry/tables.ts";
import type { WebhookStore, WebhookWriter } from "./store.ts";

export interface Outbox extends Disposable {
  /** Something was put into the outbox: look at it now. */
  kick(): void;
  /** Sends a sample past the outbox and answers what came back. Rejects with a Fault. */
  test(row: WebhookRow, signal: AbortSignal): Promise<Reply>;
}

export interface OutboxParts {
  readonly store: WebhookStore;
  /** `ten` or `slum`, as receivers see it in User-Agent. */
  readonly program: string;
  /** Who tells it, as chats show it: `ten example.com`. */
  readonly source: string;
  /** Whose claim on a message keeps others on the same registry from sending it. */
  readonly senderId: string;
  readonly clock: Clock;
  /** A connection pool of its own, so that a slow receiver holds up no visitor. */
  readonly upstream: Upstream;
  readonly log: Log;
  readonly random?: () => number;
}

/** Another slum may have the key; this one neither claims nor sends. */
export function otherKey(program: string): string {
  const flag = program === "slum" ? "give --key-file, " : "";
  return `the signing secret is sealed with a key that is not here; ${flag}put the file back, or: ${program} webhook rotate`;
}

const TICK_MS = 1_000;
const FIRST_RETRY_MS = 5_000;
const RETRY_MAX_MS = 3_600_000;
const GIVE_UP_AFTER_MS = 24 * 3_600_000;
/** A clock that was set forward is no day of tries. */
const TRIES_MIN = 5;
/** A try has ended before its claim has, even if that took a while to be written. */
const SEND_MAX_MS = 10_000;
const CLAIM_MS = 12_000;
const GONE = 410;
const LINE_CHARS = 200;

export function createOutbox(parts: OutboxParts): Outbox {
  const { store, program, source, senderId, clock, upstream, log, random = Math.random } = parts;
  const stop = clock.every(TICK_MS, kick);
  const ended = new AbortController();
  /** This very process: what an earlier one had claimed may still be in flight. */
  const self = `${senderId}/${crypto.randomUUID().slice(0, 8)}`;
  /** Receivers that are being sent to. */
  const busy = new Set<string>();
  /** Taken by their receiver, but not yet out of the outbox, as the registry did not take that. */
  const taken = new Set<number>();

  function kick(): void {
    for (const delivery of oldest()) {
      const row = store.webhooks.get(delivery.webhook);
      if (!row || row.disabled !== null || isSealed(row.secret)) continue;
      if (busy.has(row.id) || !isDue(delivery)) continue;
      busy.add(row.id);
      void deliver(row, delivery)
        .catch((thrown) => log.error(`webhook ${row.id}: ${messageOf(thrown)}`))
        .finally(() => {
          busy.delete(row.id);
          if (!ended.signal.aborted && store.trouble === undefined) kick();
        });
    }
  }

  /** The oldest message of each receiver; the next one waits until it is taken, so that ends never come before beginnings. */
  function oldest(): Iterable<DeliveryRow> {
    const found = new Map<string, DeliveryRow>();
    for (const delivery of store.deliveries.values())
      if (!found.has(delivery.webhook)) found.set(delivery.webhook, delivery);
    return found.values();
  }

  /** Whether its time has come, and no other slum is about to send it. */
  function isDue({ nextAt, claimedBy, claimedUntil }: DeliveryRow): boolean {
    const now = store.now();
    const isClaimed =
      claimedBy !== null && claimedBy !== self && isAhead(claimedUntil ?? 0, now, 2 * CLAIM_MS);
    return !isAhead(nextAt, now, 2 * RETRY_MAX_MS) && !isClaimed;
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
      await forget(seq, row, outcome);
    } else if (typeof outcome !== "string" && outcome.status === GONE) await disable(row);
    else await postpone(row, delivery, outcome);
  }

  /** The message, once it is ours to send; undefined when another slum was faster, or the registry does not answer. */
  function claim(seq: number): Promise<DeliveryRow | undefined> {
    return store.tryWrite((writer) => {
      const delivery = store.deliveries.get(seq);
      if (!delivery || !isDue(delivery)) return undefined;
      const claimedUntil = Math.round(store.now() + CLAIM_MS);
      writer.deliveries.change(delivery, { claimedBy: self, claimedUntil });
      return delivery;
    });
  }

  async function send(row: WebhookRow, id: string, body: string, signal = ended.signal): Promise<Reply> {
    const url = new URL(row.url);
    if (isSealed(row.secret)) throw new Fault("conflict", otherKey(program));
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
    const rendered = render(row.kind, { id, timestampSecs, body, source }, secrets);
    return await post({ upstream, clock, program }, url, address, rendered, inTime.signal);
  }

  /** A message that stays in the outbox although it was taken is not sent again, but taken out at the next look. */
  async function forget(seq: number, row?: WebhookRow, reply?: Reply): Promise<void> {
    const isWritten = await store.tryWrite((writer) => {
      const delivery = store.deliveries.get(seq);
      if (delivery) writer.deliveries.remove(delivery);
      if (row && reply) keepAnswer(writer, row, reply);
      return true;
    });
    if (isWritten) taken.delete(seq);
  }

  /** What a receiver said last is kept with it. */
  function keepAnswer(writer: WebhookWriter, { id }: WebhookRow, outcome: Reply | string): void {
    const row = store.webhooks.get(id);
    const lastAnswerAt = Math.round(clock.now());
    if (row) writer.webhooks.change(row, { lastAnswer: describeAnswer(outcome), lastAnswerAt });
  }

  async function disable(row: WebhookRow): Promise<void> {
    log.warn(`webhook ${row.id}: the receiver answered 410 Gone, nothing more is sent to it`);
    await store.tryWrite((writer) => {
      writer.webhooks.change(row, { disabled: "answered 410 Gone" });
      keepAnswer(writer, row, "status 410");
      for (const one of store.deliveries.values()) if (one.webhook === row.id) writer.deliveries.remove(one);
      writer.event("webhook.disabled", {}, `${row.id} answered 410 Gone`);
    });
  }

  async function postpone(row: WebhookRow, delivery: DeliveryRow, outcome: Reply | string): Promise<void> {
    const attempts = delivery.attempts + 1;
    const error = describeAnswer(outcome);
    const waitMs = pauseMs(attempts, typeof outcome === "string" ? undefined : outcome.retryAfterMs);
    log.warn(`webhook ${row.id}: ${delivery.type} not taken (try ${attempts}): ${error}`);
    const isOver = attempts >= TRIES_MIN && store.now() - delivery.createdAt >= GIVE_UP_AFTER_MS;
    await store.tryWrite((writer) => {
      keepAnswer(writer, row, outcome);
      // Whose claim has lapsed meanwhile: the message is another's now.
      if (store.deliveries.get(delivery.seq)?.claimedBy !== self) return;
      const nextAt = Math.round(store.now() + waitMs);
      const free = { claimedBy: null, claimedUntil: null };
      if (!isOver) return writer.deliveries.change(delivery, { attempts, nextAt, lastError: error, ...free });
      writer.deliveries.remove(delivery);
      writer.event("webhook.given_up", {}, `${row.id} did not take ${delivery.type} within a day: ${error}`);
    });
  }

  async function note(row: WebhookRow, outcome: Reply | string): Promise<void> {
    await store.tryWrite((writer) => keepAnswer(writer, row, outcome)).catch(() => {});
  }

  /** As long as the receiver asks for and not less, within bounds; else twice as long each time, with jitter either way. */
  function pauseMs(attempts: number, askedMs: number | undefined): number {
    if (askedMs === undefined)
      return jittered(backoff(FIRST_RETRY_MS, RETRY_MAX_MS, attempts - 1), 0.2, random());
    return Math.min(Math.max(askedMs, FIRST_RETRY_MS) * (1 + 0.2 * random()), RETRY_MAX_MS);
  }

  return {
    kick,
    async test(row, signal) {
      const timestamp = new Date(clock.now()).toISOString();
      const text = `a sample from ${program} webhook test`;
      const body = JSON.stringify({ type: "webhook.test", timestamp, text, data: { message: text } });
      const both = AbortSignal.any([signal, ended.signal]);
      const id = `msg_${crypto.randomUUID().replaceAll("-", "")}`;
      const outcome = await send(row, id, body, both).catch((thrown) => {
        void note(row, messageOf(thrown));
        throw thrown;
      });
      void note(row, outcome);
      return outcome;
    },
    [Symbol.dispose]() {
      stop();
      ended.abort(new Fault("stopped_waiting", `${program} ends`));
    },
  };
}

/** `status 400: invalid_payload`: with the first line of what came, as chat programs say there what they miss. */
export function describeAnswer(outcome: Reply | string): string {
  if (typeof outcome === "string") return outcome;
  const [line = ""] = outcome.text.trim().split(/\r?\n/, 1);
  const isTaken = outcome.status >= 200 && outcome.status < 300;
  const isElsewhere = outcome.status >= 300 && outcome.status < 400;
  const said = isTaken || line === "" ? "" : `: ${visible(line.slice(0, LINE_CHARS))}`;
  return `status ${outcome.status}${isElsewhere ? ", and redirects are not followed" : ""}${said}`;
}

/** A time that is further ahead than we ever set one is of a clock that was set back since: it has passed. */
function isAhead(atMs: number, nowMs: number, mostMs: number): boolean {
  return atMs > nowMs && atMs - nowMs <= mostMs;
}
