// What commands do to the receivers of webhooks.
import { Fault, messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import type { Log } from "../../platform/log.ts";
import { isSealed } from "../../platform/storage/secret-box.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Registry } from "../registry/registry.ts";
import type { WebhookRow } from "../registry/schema.ts";
import { OTHER_KEY, type Outbox } from "../webhooks/outbox.ts";
import { addressOf, shownReceiver } from "../webhooks/post-webhook.ts";
import { newSecret } from "../webhooks/signature.ts";

export interface NewWebhook {
  readonly id: string;
  readonly url: string;
  readonly types: readonly string[] | undefined;
  readonly allowPrivate: boolean;
}

export interface TestResult {
  readonly ok: boolean;
  readonly status: number | undefined;
  readonly body: string;
  readonly error: string | undefined;
}

export interface WebhookControl {
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

export function createWebhookControl(
  registry: Registry,
  webhooks: Outbox,
  clock: Clock,
  log: Log,
): WebhookControl {
  const now = clock.now;

  function get(id: string): WebhookRow {
    const row = registry.webhooks.get(id);
    if (row) return row;
    const known = [...registry.webhooks.keys()].join(", ");
    throw new Fault(
      "not_found",
      `there is no webhook ${quote(id)}`,
      known === "" ? `add one: slum webhook add ${id} https://...` : `there are ${known}`,
    );
  }

  function refuse(id: string): void {
    if (registry.webhooks.has(id))
      throw new Fault("conflict", `there is a webhook ${id} already`, `first: slum webhook delete ${id}`);
    if (registry.webhooks.size >= RECEIVERS_MAX)
      throw new Fault("conflict", `there are ${RECEIVERS_MAX} webhooks already`, "delete one first");
  }

  return {
    get,
    async add({ id, url, types = null, allowPrivate }) {
      refuse(id);
      await addressOf(new URL(url), allowPrivate, clock).catch((thrown) => {
        // A name that does not resolve yet may do so later.
        if (!(thrown instanceof Fault) || thrown.code !== "unreachable") throw thrown;
      });
      return registry.write((writer) => {
        refuse(id);
        writer.event("webhook.added", {}, `${id} ${shownReceiver(url)}`);
        const values = { id, url, types, allowPrivate, secret: newSecret(), createdAt: now() };
        return writer.webhooks.add(values);
      });
    },
    async remove(id) {
      await registry.write((writer) => {
        const row = get(id);
        for (const one of registry.deliveries.values()) if (one.webhook === id) writer.deliveries.remove(one);
        writer.event("webhook.deleted", {}, id);
        writer.webhooks.remove(row);
      });
    },
    async rotate(id) {
      await registry.write((writer) => {
        const row = get(id);
        const change = { secret: newSecret(), oldSecret: row.secret, oldSecretUntil: now() + OLD_SECRET_MS };
        writer.event("webhook.rotated", {}, id);
        writer.webhooks.change(row, change);
      });
      return get(id);
    },
    async sealAll() {
      const ids = [...registry.secretsInClear];
      if (ids.length > 0)
        await registry.write((writer) => {
          for (const id of ids) {
            const row = registry.webhooks.get(id);
            if (row) writer.webhooks.change(row, { secret: row.secret, oldSecret: row.oldSecret });
          }
        });
      const closed = [...registry.webhooks.values()].filter(({ secret }) => isSealed(secret));
      if (closed.length > 0) log.warn(`${closed.map(({ id }) => id).join(", ")}: ${OTHER_KEY}`);
    },
    async test(id, signal) {
      try {
        const { status, text } = await webhooks.test(get(id), signal);
        return { ok: status >= 200 && status < 300, status, body: text, error: undefined };
      } catch (thrown) {
        if (thrown instanceof Fault && thrown.code === "not_found") throw thrown;
        return { ok: false, status: undefined, body: "", error: messageOf(thrown) };
      }
    },
  };
}
