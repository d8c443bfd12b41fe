// What is known of one name: the certificate that it has, what was tried, and when the next try is; as it is stored.
import {
  array,
  boolean,
  enum as choice,
  type infer as Infer,
  literal,
  number,
  object,
  optional,
  safeParse,
  string,
} from "zod/mini";
import type { OrderReason, Placed } from "../core/certificate-schedule.ts";
import { isRemembered } from "../core/certificate-schedule.ts";

const reasons = ["added", "demand", "renewal"] as const satisfies readonly OrderReason[];

const shape = object({
  schema: literal(1),
  name: string(),
  /** What there is to serve; undefined while there was never one. */
  certificate: optional(
    object({
      issuer: string(),
      serial: string(),
      life: object({ notBefore: number(), notAfter: number() }),
      /** The directory's URL; undefined for one that an operator has given. */
      authority: optional(string()),
      /** Undefined for one that only an operator renews. */
      renewAt: optional(number()),
      /** Whether that is the authority's own word. */
      isWindowed: optional(boolean()),
      /** When the authority is to be asked again when it wants it renewed. */
      askAt: optional(number()),
      /** Whether somebody was told that its end is near. */
      alarmed: optional(boolean()),
    }),
  ),
  /** In a row. */
  failures: number(),
  lastTryAt: optional(number()),
  nextTryAt: optional(number()),
  /** Until when the authority wants to be left alone. */
  heldUntil: optional(number()),
  lastFailure: optional(object({ at: number(), reason: string() })),
  placed: array(
    object({
      at: number(),
      why: choice(reasons),
      isExempt: optional(boolean()),
      hasFailed: optional(boolean()),
    }),
  ),
  /** Since when nobody wants it. */
  unwantedSince: optional(number()),
});

export type NameRecord = Infer<typeof shape>;
export type KnownCertificate = NonNullable<NameRecord["certificate"]>;

export function newRecord(name: string): NameRecord {
  return { schema: 1, name, failures: 0, placed: [] };
}

/** Undefined for a text that is none, of a later version for example. */
export function parseRecord(text: string): NameRecord | undefined {
  try {
    const read = safeParse(shape, JSON.parse(text));
    return read.success ? read.data : undefined;
  } catch {
    return undefined;
  }
}

/** As it is stored: orders that no limit counts any more are left out. */
export function recordText(record: NameRecord, now: number): string {
  const placed = record.placed.filter((order) => isRemembered(order, now));
  return JSON.stringify({ ...record, placed });
}

/** All orders that limits count; `ownerOf` says whose a name is. */
export function placedIn(
  records: Iterable<NameRecord>,
  ownerOf: (name: string) => string | undefined = () => undefined,
): Placed[] {
  const all: Placed[] = [];
  for (const { name, placed } of records) {
    if (placed.length === 0) continue;
    const owner = ownerOf(name);
    for (const order of placed) all.push({ ...order, name, owner });
  }
  return all;
}

/** When something is to be done for a name that is wanted; undefined when never. */
export function dueAt({ certificate, failures, nextTryAt }: NameRecord): number | undefined {
  if (certificate === undefined || failures > 0) return nextTryAt ?? 0;
  return certificate.renewAt && Math.max(certificate.renewAt, nextTryAt ?? 0);
}
