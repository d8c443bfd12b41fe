// The registry as the outbox of webhooks sees it.

import { Fault } from "../../core/fault.ts";
import { sqliteCode } from "../../platform/storage/database.ts";
import type { Begun, WebhookStore, WebhookWriter } from "../../webhooks/store.ts";
import type { OutboxTables } from "./outbox-tables.ts";
import type { Writer } from "./writer.ts";

export interface StoreParts {
  readonly tables: OutboxTables;
  /** In the name of who asks. */
  write<T>(work: (writer: Writer) => T): Promise<T>;
  /** One try, in nobody's name; throws what the database throws. */
  attempt<T>(work: (writer: Writer) => T): T;
  now(): number;
}

export interface TenWebhookStore extends WebhookStore {
  /** What was told of and has not ended. */
  underWay(): readonly Begun[];
}

export function createWebhookStore({ tables, write, attempt, now }: StoreParts): TenWebhookStore {
  let trouble: string | undefined;
  return {
    webhooks: tables.webhooks,
    deliveries: tables.deliveries,
    secretsInClear: tables.secretsInClear,
    get trouble() {
      return trouble;
    },
    write: (work) => write((writer) => work(asOutbox(writer))),
    async tryWrite(work) {
      try {
        const result = attempt((writer) => work(asOutbox(writer)));
        trouble = undefined;
        return result;
      } catch (thrown) {
        if (sqliteCode(thrown) === "") throw thrown;
        trouble = thrown instanceof Fault ? thrown.message : String(thrown);
        return undefined;
      }
    },
    now,
    underWay: () => tables.underWay(),
  };
}

function asOutbox(writer: Writer): WebhookWriter {
  const { webhooks, deliveries } = writer.outbox;
  return { webhooks, deliveries, event: (kind, _, detail) => writer.event("", null, kind, detail) };
}
