// The whole registry as one document, and a document into the registry: all of it in one transaction, or nothing.
import { isSealed } from "../../platform/storage/secret-box.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { newSecret } from "../../webhooks/signature.ts";
import type { Registry, Writer } from "../registry/registry.ts";
import type { WebhookRow } from "../registry/schema.ts";
import {
  type Change,
  planImport,
  type RegistryDocument,
  refuseImport,
  refuseReplacing,
} from "./import-plan.ts";

export interface ImportOptions {
  /** What is other in the registry becomes what the document says; it is refused otherwise. */
  readonly replace: boolean;
  /** Tells what would be done, and does nothing. */
  readonly dryRun: boolean;
}

export interface Imported {
  readonly changes: readonly Change[];
  /** Receivers whose secrets were not in the document, with those that they have got. */
  readonly secrets: readonly Made[];
}

/** A signing secret that was made here, and whose. */
interface Made {
  readonly id: string;
  readonly secret: string;
}

export interface Transfer {
  export(withSecrets: boolean): RegistryDocument;
  /** What is there already as the document has it stays. Rejects with a Fault that names what is in the way. */
  import(document: RegistryDocument, options: ImportOptions): Promise<Imported>;
}

export function createTransfer(registry: Registry, ownHosts: ReadonlySet<string>, clock: Clock): Transfer {
  function plan(document: RegistryDocument, replace: boolean): Change[] {
    refuseImport(registry, document, ownHosts);
    const changes = planImport(registry, document);
    if (!replace) refuseReplacing(changes);
    return changes;
  }

  function write(writer: Writer, changes: readonly Change[]): Imported {
    const secrets: Made[] = [];
    for (const change of changes)
      if (change.kind === "replace") {
        const row = registry[change.table].get(change.id);
        if (row) writer[change.table].change(row as never, change.values);
      } else {
        const made = add(writer, change);
        if (made !== undefined) secrets.push(made);
      }
    writer.event("registry.imported", {}, `${changes.length} rows`, clock.now());
    return { changes, secrets };
  }

  return {
    export: (withSecrets) => ({
      servers: withoutPlace(registry.servers),
      tenants: withoutPlace(registry.tenants),
      webhooks: withoutPlace(registry.webhooks).map(({ lastAnswer: _, lastAnswerAt: __, ...row }) => ({
        ...row,
        ...secretsOf(row, withSecrets),
      })),
      alerts: [...registry.alerts.values()],
      deliveries: withoutPlace(registry.deliveries).map(({ claimedBy: _, claimedUntil: __, ...row }) => row),
      tokens: withSecrets ? [...registry.accessTokens.values()] : [],
    }),
    async import(document, { replace, dryRun }) {
      const changes = plan(document, replace);
      if (dryRun || changes.length === 0) return { changes, secrets: [] };
      // Decided anew where nobody else can write.
      return registry.write((writer) => write(writer, plan(document, replace)), "many");
    },
  };
}

/** Answers the secret that the row was given because it came without. */
function add(writer: Writer, change: Extract<Change, { kind: "add" }>): Made | undefined {
  if (change.table === "tokens") writer.accessTokens.add(change.row);
  else if (change.table !== "webhooks") writer[change.table].add(change.row as never);
  else {
    const { id, secret } = change.row;
    const made = secret ?? newSecret();
    writer.webhooks.add({ ...change.row, secret: made });
    return secret === null ? { id, secret: made } : undefined;
  }
  return undefined;
}

/** None where they are not asked for, or of no use elsewhere, as the key for them is not here. */
function secretsOf(
  { secret, oldSecret, oldSecretUntil }: Pick<WebhookRow, "secret" | "oldSecret" | "oldSecretUntil">,
  wanted: boolean,
) {
  if (!wanted || isSealed(secret)) return { secret: null, oldSecret: null, oldSecretUntil: null };
  if (oldSecret !== null && isSealed(oldSecret)) return { secret, oldSecret: null, oldSecretUntil: null };
  return { secret, oldSecret, oldSecretUntil };
}

function withoutPlace<R extends { readonly seq: number }>(rows: ReadonlyMap<unknown, R>): Omit<R, "seq">[] {
  return Array.from(rows.values(), ({ seq: _, ...row }) => row);
}
