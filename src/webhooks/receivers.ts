// What commands do to the receivers of webhooks.
import { Fault, messageOf } from "../core/fault.ts";
import { quote } from "../core/quote.ts";
import type { Log } from "../platform/log.ts";
import { isSealed } from "../platform/storage/secret-box.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { Kind } from "./kinds.ts";
import { describeAnswer, type Outbox, otherKey } from "./outbox.ts";
import { addressOf, shownReceiver } from "./post-webhook.ts";
import type { WebhookRow } from "./registry/tables.ts";
import { newSecret } from "./signature.ts";
import { type Begun, tellBegun, type WebhookStore } from "./store.ts";

export interface NewWebhook {
  /** Made of its URL unless given. */
  readonly id: string | undefined;
  readonly url: string;
  readonly kind: Kind;
  readonly types: readonly string[] | undefined;
  readonly allowPrivate: boolean;
}

export interface TestResult {
  readonly ok: boolean;
  readonly status: number | undefined;
  readonly body: string;
  readonly error: string | undefined;
  /** In a line. */
  readonly said: string;
}

export interface Receivers {
  get(id: string): WebhookRow;
  /** The secret is in the row. Refused when the URL leads to a private address now; every send checks it again. */
  add(webhook: NewWebhook): Promise<WebhookRow>;
  remove(id: string): Promise<void>;
  rotate(id: string): Promise<WebhookRow>;
  test(id: string, signal: AbortSignal): Promise<TestResult>;
  /** Seals what an older version has written in clear, and warns of secrets that the key here does not open. */
  sealAll(): Promise<void>;
}

/** How long the secret before a rotation goes on to sign. */
const OLD_SECRET_MS = 24 * 3_600_000;
const RECEIVERS_MAX = 100;

export interface ReceiverParts {
  readonly store: WebhookStore;
  readonly outbox: Outbox;
  /** `ten` or `slum`, and its word for taking a receiver away. */
  readonly program: string;
  readonly removeWord: string;
  readonly clock: Clock;
  readonly log: Log;
  /** What is wrong now and was told of, oldest first. */
  readonly underWay: () => readonly Begun[];
}

export function createReceivers({
  store,
  outbox,
  program,
  removeWord,
  clock,
  log,
  underWay,
}: ReceiverParts): Receivers {
  const now = () => Math.round(clock.now());

  function get(id: string): WebhookRow {
    const row = store.webhooks.get(id);
    if (row) return row;
    const known = [...store.webhooks.keys()].join(", ");
    throw new Fault(
      "not_found",
      `there is no webhook ${quote(id)}`,
      known === "" ? `add one: ${program} webhook add ${id} https://...` : `there are ${known}`,
    );
  }

  function refuse(id: string): void {
    if (store.webhooks.has(id))
      throw new Fault(
        "conflict",
        `there is a webhook ${id} already`,
        `first: ${program} webhook ${removeWord} ${id}`,
      );
    if (store.webhooks.size >= RECEIVERS_MAX)
      throw new Fault(
        "conflict",
        `there are ${RECEIVERS_MAX} webhooks already`,
        `first: ${program} webhook ${removeWord} ID`,
      );
  }

  return {
    get,
    async add({ id: wanted, url, kind, types = null, allowPrivate }) {
      if (wanted !== undefined) refuse(wanted);
      await addressOf(new URL(url), allowPrivate, clock).catch((thrown) => {
        // A name that does not resolve yet may do so later.
        if (!(thrown instanceof Fault) || thrown.code !== "unreachable") throw thrown;
      });
      const added = await store.write((writer) => {
        const id = wanted ?? idFor(url, store.webhooks);
        refuse(id);
        writer.event("webhook.added", {}, `${id} ${shownReceiver(url)}`);
        const values = { id, url, kind, types, allowPrivate, secret: newSecret(), createdAt: now() };
        const row = writer.webhooks.add(values);
        tellBegun(writer, row, underWay(), store.now());
        return row;
      });
      outbox.kick();
      return added;
    },
    async remove(id) {
      await store.write((writer) => {
        const row = get(id);
        for (const one of store.deliveries.values()) if (one.webhook === id) writer.deliveries.remove(one);
        writer.event("webhook.deleted", {}, id);
        writer.webhooks.remove(row);
      });
    },
    async rotate(id) {
      await store.write((writer) => {
        const row = get(id);
        const change = { secret: newSecret(), oldSecret: row.secret, oldSecretUntil: now() + OLD_SECRET_MS };
        writer.event("webhook.rotated", {}, id);
        writer.webhooks.change(row, change);
      });
      return get(id);
    },
    async sealAll() {
      const ids = [...store.secretsInClear];
      if (ids.length > 0)
        await store.write((writer) => {
          for (const id of ids) {
            const row = store.webhooks.get(id);
            if (row) writer.webhooks.change(row, { secret: row.secret, oldSecret: row.oldSecret });
          }
        });
      const closed = [...store.webhooks.values()].filter(({ secret }) => isSealed(secret));
      if (closed.length > 0) log.warn(`${closed.map(({ id }) => id).join(", ")}: ${otherKey(program)}`);
    },
    async test(id, signal) {
      try {
        const reply = await outbox.test(get(id), signal);
        const { status, text } = reply;
        const ok = status >= 200 && status < 300;
        return { ok, status, body: text, error: undefined, said: describeAnswer(reply) };
      } catch (thrown) {
        if (thrown instanceof Fault && thrown.code === "not_found") throw thrown;
        const error = messageOf(thrown);
        return { ok: false, status: undefined, body: "", error, said: error };
      }
    },
  };
}

/** After its host, and with a number when there is one of that name: `hooks-slack-com-2`. */
function idFor(url: string, known: ReadonlyMap<string, unknown>): string {
  const host = new URL(url).hostname.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const base = host.replaceAll(/^-+|-+$/g, "").slice(0, 50) || "receiver";
  for (let count = 1; ; count += 1) {
    const id = count === 1 ? base : `${base}-${count}`;
    if (!known.has(id)) return id;
  }
}
