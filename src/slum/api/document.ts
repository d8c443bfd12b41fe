// The file of `slum export` and `slum import`: its shape, read strictly and in pieces, as there may be a hundred thousand rows.
import { z } from "zod";
import { said } from "../../api/misfit.ts";
import { Fault } from "../../core/fault.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import { KINDS } from "../../webhooks/kinds.ts";
import { receiverUrl, typePattern } from "../../webhooks/operations.ts";
import type { RegistryDocument } from "../operations/import-plan.ts";
import { ALERT_TYPES } from "../webhooks/alerts.ts";
import { SLUM_SCOPES } from "./auth.ts";
import { addressing, domain, healthPath, host, label, region, serverUrl, service, writes } from "./shapes.ts";

const FORMAT = 1;
/** Of a hundred thousand rows the check takes a second, in which traffic goes on. */
const PIECE = 500;
/** What a secret looks like; a sealed one is of no use elsewhere. */
const secret = z.string().regex(/^whsec_[A-Za-z0-9+/=]+$/, "a signing secret begins with whsec_");
const time = z.number().int();

const ROWS = {
  servers: z.strictObject({
    id: label,
    url: serverUrl,
    region: region.nullable(),
    healthPath,
    addressing,
    host: host.default("auto"),
    drained: z.boolean(),
    createdAt: time,
    status: z.enum(["unknown", "online", "offline"]),
    statusAt: time,
    latencyMs: z.number().nullable(),
    lastError: z.string().nullable(),
    lastErrorAt: time.nullable().default(null),
    keepsHost: z.boolean().nullable().default(null),
  }),
  tenants: z.strictObject({
    id: label,
    domain,
    server: label,
    service,
    instance: label.nullable(),
    failover: z.array(label).max(100).nullable(),
    writes,
    createdAt: time,
  }),
  webhooks: z.strictObject({
    id: label,
    url: receiverUrl,
    secret: secret.nullable(),
    oldSecret: secret.nullable(),
    oldSecretUntil: time.nullable(),
    kind: z.enum(KINDS).default("standard"),
    types: z.array(typePattern(ALERT_TYPES)).min(1).nullable(),
    allowPrivate: z.boolean(),
    disabled: z.string().nullable(),
    createdAt: time,
  }),
  alerts: z.strictObject({ thing: z.string().min(1), begunAt: time, open: z.boolean() }),
  deliveries: z.strictObject({
    webhook: label,
    messageId: z.string().min(1),
    type: z.enum(ALERT_TYPES),
    body: z.string(),
    createdAt: time,
    attempts: z.number().int().min(0),
    nextAt: time,
    lastError: z.string().nullable(),
  }),
  tokens: z.strictObject({
    hash: z.string().regex(/^[0-9a-f]{64}$/, "a hash of a token is 64 hexadecimal digits"),
    name: label,
    scope: z.enum(SLUM_SCOPES),
    services: z.null(),
    tenant: z.null(),
    createdAt: time,
    createdBy: z.string().nullable(),
    expiresAt: time.nullable(),
    revokedAt: time.nullable(),
    usedAt: time.nullable(),
    usedFrom: z.string().nullable(),
  }),
};
const TABLES = Object.keys(ROWS) as (keyof typeof ROWS)[];

/** What the file says; keys as the API has them. */
export function formatDocument(document: RegistryDocument, product: string, now: number): object {
  const tables = TABLES.map((table) => [table, document[table].map(snake)]);
  return {
    slum_registry: FORMAT,
    product,
    exported_at: new Date(now).toISOString(),
    ...Object.fromEntries(tables),
  };
}

/** Throws a usage fault that names the place of what does not fit; a table that is missing is empty. */
export async function parseDocument(file: unknown, clock: Clock): Promise<RegistryDocument> {
  const { slum_registry: format, ...found } = (file ?? {}) as Readonly<Record<string, unknown>>;
  if (format !== FORMAT) throw foreign(format);
  const unknown = Object.keys(found).find(
    (key) => !(key in ROWS) && key !== "product" && key !== "exported_at",
  );
  if (unknown !== undefined)
    throw new Fault("usage", `the file has ${unknown}, which is unknown here`, NEWER);
  const tables: [string, unknown[]][] = [];
  for (const table of TABLES) tables.push([table, await parseRows(table, found[table] ?? [], clock)]);
  return Object.fromEntries(tables) as unknown as RegistryDocument;
}

async function parseRows(table: keyof typeof ROWS, rows: unknown, clock: Clock): Promise<unknown[]> {
  if (!Array.isArray(rows)) throw new Fault("usage", `${table} of the file is no list`, NOT_EXPORTED);
  const read: unknown[] = [];
  for (const [index, row] of rows.entries()) {
    if (index % PIECE === PIECE - 1) await sleep(clock, 0);
    const result = ROWS[table].safeParse(camel(row), { error: said });
    if (!result.success) throw misfit(`${table}[${index}]`, row, result.error);
    read.push(result.data);
  }
  return read;
}

function misfit(place: string, row: unknown, { issues }: z.ZodError): Fault {
  const { id } = (row ?? {}) as { id?: unknown };
  const name = typeof id === "string" ? `${place} (${id})` : place;
  const [first] = issues;
  const path = first?.path.map(String).map(snakeName).join(".");
  return new Fault(
    "usage",
    `${name}${path ? `.${path}` : ""}: ${first?.message}; nothing was changed`,
    NOT_EXPORTED,
  );
}

const NEWER = "a newer slum has written it: install that one here too";
const NOT_EXPORTED = "import takes what slum export has written";

function foreign(format: unknown): Fault {
  if (typeof format === "number")
    return new Fault("usage", `the file is of format ${format}, this program knows ${FORMAT}`, NEWER);
  return new Fault(
    "usage",
    "that is no file of slum export",
    "write one with: slum export FILE; a database: slum import --from slum.db",
  );
}

function snakeName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function snake(row: object): object {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [snakeName(name), value]));
}

/** Of an object; anything else is left for the check to refuse. */
function camel(row: unknown): unknown {
  if (typeof row !== "object" || row === null || Array.isArray(row)) return row;
  const name = (text: string) => text.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [name(key), value]));
}
