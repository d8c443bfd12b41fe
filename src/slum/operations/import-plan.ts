// What a document would change in a registry, row by row, and why it may not: pure.
import { Fault } from "../../core/fault.ts";
import { refuseOwnHost } from "../fleet/tenant-domain.ts";
import type {
  AccessTokenRow,
  AlertRow,
  DeliveryRow,
  ServerRow,
  TenantRow,
  WebhookRow,
} from "../registry/schema.ts";

/** What of a receiver stays where it was found out. */
type Unmoved = "seq" | "lastAnswer" | "lastAnswerAt";

/** The rows of a registry without their place in it; with what checks have found, what was announced and what waits to be sent. */
export interface RegistryDocument {
  readonly servers: readonly Omit<ServerRow, "seq">[];
  readonly tenants: readonly Omit<TenantRow, "seq">[];
  /** `secret` is null where secrets were not asked for. */
  readonly webhooks: readonly (Omit<WebhookRow, Unmoved | "secret"> & { readonly secret: string | null })[];
  readonly alerts: readonly AlertRow[];
  readonly deliveries: readonly Omit<DeliveryRow, "seq" | "claimedBy" | "claimedUntil">[];
  /** By their hashes, with which they count wherever they are; none where secrets were not asked for. */
  readonly tokens: readonly AccessTokenRow[];
}

export type Table = keyof RegistryDocument;
type Row<T extends Table> = RegistryDocument[T][number];

/** One row that is to be other than it is. */
export type Change =
  | { readonly [T in Table]: { readonly kind: "add"; readonly table: T; readonly row: Row<T> } }[Table]
  | {
      readonly kind: "replace";
      readonly table: "servers" | "tenants" | "webhooks";
      readonly id: string;
      readonly values: object;
      /** What it is here and what in the document, for people. */
      readonly text: string;
    };

/** The registry that a document meets. */
export interface Known {
  readonly servers: ReadonlyMap<string, ServerRow>;
  readonly tenants: ReadonlyMap<string, TenantRow>;
  readonly webhooks: ReadonlyMap<string, WebhookRow>;
  readonly deliveries: ReadonlyMap<number, DeliveryRow>;
  readonly alerts: ReadonlyMap<string, AlertRow>;
  readonly accessTokens: ReadonlyMap<string, AccessTokenRow>;
}

const NAMED = ["servers", "tenants", "webhooks"] as const;
/** What checks, receivers and the clock change by themselves is no difference. */
const LIVE: ReadonlySet<string> = new Set([
  ...["seq", "createdAt", "status", "statusAt", "latencyMs", "lastError", "lastErrorAt", "keepsHost"],
  ...["disabled", "oldSecret", "oldSecretUntil"],
]);
const SHOWN = 5;

/** The changes in the order in which they can be made; none when everything is there as the document has it. */
export function planImport(known: Known, document: RegistryDocument): Change[] {
  const named = NAMED.flatMap((table) => document[table].flatMap((row) => changeOf(known, table, row)));
  const begun = document.alerts.filter(({ thing }) => !known.alerts.has(thing));
  const sent = new Set(Array.from(known.deliveries.values(), messageOf));
  const waiting = document.deliveries.filter((row) => !sent.has(messageOf(row)));
  // One that was revoked here since stays revoked.
  const tokens = document.tokens.filter(({ hash }) => !known.accessTokens.has(hash));
  return [
    ...named,
    ...begun.map((row): Change => ({ kind: "add", table: "alerts", row })),
    ...waiting.map((row): Change => ({ kind: "add", table: "deliveries", row })),
    ...tokens.map((row): Change => ({ kind: "add", table: "tokens", row })),
  ];
}

function changeOf(known: Known, table: (typeof NAMED)[number], row: Row<typeof table>): Change[] {
  const before = known[table].get(row.id) as Readonly<Record<string, unknown>> | undefined;
  if (before === undefined) return [{ kind: "add", table, row } as Change];
  const other = Object.entries(row).filter(
    ([name, value]) =>
      !LIVE.has(name) && !(name === "secret" && value === null) && !Bun.deepEquals(value, before[name]),
  );
  if (other.length === 0) return [];
  const shown = other.map(([name, value]) =>
    name === "secret" ? "another secret" : `${name} ${before[name]} here and ${value} there`,
  );
  const text = `${table.slice(0, -1)} ${row.id}: ${shown.join(", ")}`;
  return [{ kind: "replace", table, id: row.id, values: Object.fromEntries(other), text }];
}

function messageOf({ webhook, messageId }: Pick<DeliveryRow, "webhook" | "messageId">): string {
  return `${webhook} ${messageId}`;
}

/** Throws a Fault for what must not be replaced unasked. */
export function refuseReplacing(changes: readonly Change[]): void {
  const texts = changes.flatMap((change) => (change.kind === "replace" ? [change.text] : []));
  if (texts.length === 0) return;
  throw new Fault(
    "conflict",
    `${texts.length === 1 ? "one thing is" : `${texts.length} things are`} other here: ${listed(texts, "; ")}; nothing was changed`,
    "--replace makes them what the file says",
  );
}

/** Throws a Fault for a document that contradicts itself or the registry; the rows themselves have been checked one by one. */
export function refuseImport(known: Known, document: RegistryDocument, ownHosts: ReadonlySet<string>): void {
  for (const table of NAMED)
    refuseTwice(
      table,
      "id",
      document[table].map(({ id }) => id),
    );
  refuseTwice(
    "tokens",
    "hash",
    document.tokens.map(({ hash }) => hash),
  );
  refuseTwice(
    "servers",
    "URL",
    document.servers.map(({ url }) => url),
  );
  refuseTwice(
    "tenants",
    "domain",
    document.tenants.map(({ domain }) => domain),
  );
  refuseTaken("servers", document.servers, known.servers, ({ url }) => url);
  refuseTaken("tenants", document.tenants, known.tenants, ({ domain }) => domain);
  const servers = new Set([...known.servers.keys(), ...document.servers.map(({ id }) => id)]);
  for (const { id, domain, server, failover } of document.tenants) {
    refuseOwnHost(domain, ownHosts);
    const missing = [server, ...(failover ?? [])].find((one) => !servers.has(one));
    if (missing !== undefined)
      throw new Fault(
        "conflict",
        `tenant ${id} needs server ${missing}, which is neither here nor in the file; nothing was changed`,
        "add it first, or export servers and tenants together",
      );
  }
}

function refuseTwice(table: Table, what: string, values: readonly string[]): void {
  const seen = new Set<string>();
  for (const value of values) {
    if (seen.has(value))
      throw new Fault(
        "usage",
        `the file has two ${table} with the ${what} ${value}`,
        "it is not as exported",
      );
    seen.add(value);
  }
}

function refuseTaken<R extends { readonly id: string }>(
  table: Table,
  rows: readonly R[],
  known: ReadonlyMap<string, R>,
  keyOf: (row: R) => string,
): void {
  const replaced = new Set(rows.map(({ id }) => id));
  const owners = new Map(
    Array.from(known.values()).flatMap((row) => (replaced.has(row.id) ? [] : [[keyOf(row), row.id]])),
  );
  const taken = rows.flatMap((row) => {
    const owner = owners.get(keyOf(row));
    return owner === undefined ? [] : [`${keyOf(row)} of ${row.id} belongs to ${owner} here`];
  });
  if (taken.length > 0)
    throw new Fault(
      "conflict",
      `${listed(taken, "; ")}; nothing was changed`,
      `look at both with slum ${table.slice(0, -1)} list, and delete or rename one`,
    );
}

function listed(texts: readonly string[], separator: string): string {
  const more = texts.length > SHOWN ? `${separator}and ${texts.length - SHOWN} more` : "";
  return texts.slice(0, SHOWN).join(separator) + more;
}
