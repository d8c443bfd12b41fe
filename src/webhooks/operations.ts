// The operations on receivers of webhooks, the same in every contract, and their handlers.
import { z } from "zod";
import { checked } from "../api/fields.ts";
import type { Operation } from "../api/operation.ts";
import type { Handler } from "../api/server.ts";
import { advice } from "../core/did-you-mean.ts";
import { Fault } from "../core/fault.ts";
import { parseLabel } from "../core/name.ts";
import { quote } from "../core/quote.ts";
import { isSealed } from "../platform/storage/secret-box.ts";
import { KINDS } from "./kinds.ts";
import { otherKey } from "./outbox.ts";
import { parseReceiverUrl, shownReceiver } from "./post-webhook.ts";
import type { Receivers } from "./receivers.ts";
import type { WebhookRow } from "./registry/tables.ts";
import { covers, type WebhookStore, waitingByReceiver } from "./store.ts";

const label = checked((text) => parseLabel(text));
const params = z.strictObject({ id: label });
export const receiverUrl = checked((text) => parseReceiverUrl(text).href);
export const kind = z.enum(KINDS);

const webhookAnswer = z.object({
  id: z.string(),
  /** Without its path but in the answer that adds it: of a chat program's it is what lets one post. */
  url: z.string(),
  kind,
  /** Null: all. */
  types: z.array(z.string()).nullable(),
  allow_private: z.boolean(),
  disabled: z.string().nullable(),
  waiting: z.number(),
  /** Why the oldest message that waits was not taken. */
  last_error: z.string().nullable(),
  /** When it is tried again. */
  next_try_at: z.string().nullable(),
  /** What it said last, in a line, samples included. */
  last_answer: z.string().nullable(),
  last_answer_at: z.string().nullable(),
  created_at: z.string(),
});

export type WebhookView = z.output<typeof webhookAnswer>;

/** The secret is shown when it is made and never again; null where nothing is signed. */
const webhookSecret = z.object({ webhook: webhookAnswer, secret: z.string().nullable() });

/** `known`: the types of messages that there are. */
export function webhookOperations(known: readonly string[]) {
  const types = z.array(typePattern(known)).min(1).max(100);
  return {
    listWebhooks: {
      summary: "The receivers of webhooks",
      method: "GET",
      path: "/api/webhooks",
      scope: "read",
      answer: z.object({ webhooks: z.array(webhookAnswer) }),
    },
    addWebhook: {
      summary: "Add a receiver; its signing secret is shown once",
      method: "POST",
      path: "/api/webhooks",
      scope: "admin",
      body: z.strictObject({
        /** Made of the URL's host unless given. */
        id: label.optional(),
        url: receiverUrl,
        kind: kind.default("standard"),
        types: types.optional(),
        allow_private: z.boolean().default(false),
      }),
      answer: webhookSecret,
    },
    deleteWebhook: {
      summary: "Remove a receiver with all that waits for it",
      method: "DELETE",
      path: "/api/webhooks/:id",
      scope: "admin",
      params,
      answer: z.object({ id: z.string(), deleted: z.literal(true) }),
    },
    rotateWebhook: {
      summary: "Make a new signing secret; the old one signs too for a day",
      method: "POST",
      path: "/api/webhooks/:id/rotate",
      scope: "admin",
      params,
      answer: webhookSecret,
    },
    testWebhook: {
      summary: "Send a signed sample to a receiver and tell what it answered",
      method: "POST",
      path: "/api/webhooks/:id/test",
      scope: "admin",
      params,
      answer: z.object({
        id: z.string(),
        ok: z.boolean(),
        status: z.number().nullable(),
        body: z.string(),
        error: z.string().nullable(),
        /** All of that in a line. */
        said: z.string(),
      }),
    },
  } as const satisfies Record<string, Operation>;
}

/** A type of message, or `rollout.*` for all of a kind. */
export function typePattern(known: readonly string[]) {
  return checked((text) => {
    if (known.some((type) => covers(text, type))) return text;
    const kinds = [...new Set(known.map((type) => `${type.split(".")[0]}.*`))];
    throw new Fault(
      "usage",
      `there are no messages of type ${quote(text)}`,
      advice(
        text,
        [...known, ...kinds],
        `known: ${known.join(", ")}; ${kinds[0]} means all of a kind, * all`,
      ),
    );
  });
}

type Operations = ReturnType<typeof webhookOperations>;
type Handlers = { readonly [K in keyof Operations]: Handler<Operations[K]> };

export interface HandlerParts {
  readonly store: WebhookStore;
  readonly receivers: Receivers;
  readonly program: string;
}

export function webhookHandlers({ store, receivers, program }: HandlerParts): Handlers {
  function view(
    row: WebhookRow,
    waiting = waitingByReceiver(store.deliveries).get(row.id) ?? [],
  ): WebhookView {
    const [oldest] = waiting;
    return {
      id: row.id,
      url: shownReceiver(row.url),
      kind: row.kind,
      types: row.types === null ? null : [...row.types],
      allow_private: row.allowPrivate,
      disabled: row.disabled,
      waiting: waiting.length,
      last_error: isSealed(row.secret) ? otherKey(program) : (oldest?.lastError ?? null),
      next_try_at: oldest && row.disabled === null ? iso(oldest.nextAt) : null,
      last_answer: row.lastAnswer,
      last_answer_at: row.lastAnswerAt === null ? null : iso(row.lastAnswerAt),
      created_at: iso(row.createdAt),
    };
  }

  const made = (row: WebhookRow, url = shownReceiver(row.url)) => ({
    webhook: { ...view(row), url },
    secret: row.kind === "standard" ? row.secret : null,
  });

  return {
    listWebhooks() {
      const waiting = waitingByReceiver(store.deliveries);
      return { webhooks: [...store.webhooks.values()].map((row) => view(row, waiting.get(row.id) ?? [])) };
    },
    async addWebhook({ body: { allow_private: allowPrivate, id, types, ...body } }) {
      const wanted = types && [...new Set(types)];
      const row = await receivers.add({ ...body, id, types: wanted, allowPrivate });
      return made(row, row.url);
    },
    async deleteWebhook({ params }) {
      await receivers.remove(params.id);
      return { id: params.id, deleted: true };
    },
    rotateWebhook: async ({ params }) => made(await receivers.rotate(params.id)),
    async testWebhook({ params, signal }) {
      const { status = null, error = null, ...result } = await receivers.test(params.id, signal);
      return { id: params.id, ...result, status, error };
    },
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
