// What is to be ordered now: names that have nothing yet, and certificates whose time has come, as far as there is room.
import { type OrderReason, roomFor } from "../core/certificate-schedule.ts";
import { dueAt, type NameRecord, newRecord } from "./name-record.ts";
import type { Orders } from "./orders.ts";
import type { Records } from "./records.ts";

interface Due {
  readonly orders: Orders;
  readonly records: Records;
  /** Names that have to have one. */
  readonly wanted: ReadonlySet<string>;
  readonly now: number;
  /** What was started is looked at again after so long. */
  readonly againMs: number;
  isWanted(name: string): boolean;
  /** Whether certificates of an authority are to be replaced. */
  isStale(authority: string): boolean;
}

/** Starts it, and answers when the next is due. */
export function startDue({ orders, records, wanted, now, againMs, isWanted, isStale }: Due): number {
  let next = Number.POSITIVE_INFINITY;
  // Of ten thousand that are due only those are tried for which there is room, those that wait for their turn included.
  const placed = orders.placed();
  const roomOf = (why: OrderReason) => {
    const { count, until } = roomFor(why, placed, now);
    return { left: count - orders.waiting, until: Math.max(until, now + againMs) };
  };
  const rooms = { added: roomOf("added"), renewal: roomOf("renewal") };
  const consider = (name: string, due: number | undefined, why: keyof typeof rooms, isExempt = false) => {
    if (due === undefined || !isWanted(name)) return;
    const isDue = due <= now && !orders.isUnderWay(name);
    const room = rooms[why];
    const hasRoom = isExempt || room.left > 0;
    next = Math.min(next, due > now ? due : hasRoom ? now + againMs : room.until);
    if (!isDue || !hasRoom) return;
    if (!isExempt) room.left--;
    void orders.obtain(name, why).catch(() => {});
  };
  for (const record of missing(records, wanted)) consider(record.name, dueAt(record), "added");
  for (const record of records.all()) {
    const { certificate, name } = record;
    if (certificate?.renewAt === undefined) continue;
    // What only visitors ask for and has expired waits for them.
    const isLeft = now > certificate.life.notAfter && !wanted.has(name);
    if (isLeft) continue;
    if (isStale(certificate.authority ?? "")) consider(name, record.nextTryAt ?? 0, "added");
    else consider(name, dueAt(record), "renewal", certificate.isWindowed === true);
  }
  return next;
}

/** What has failed often comes last: a thousand names that lead elsewhere do not hold up a new one. */
function missing(records: Records, wanted: ReadonlySet<string>): NameRecord[] {
  return [...wanted]
    .filter((name) => records.serving(name) === undefined)
    .map((name) => records.get(name) ?? newRecord(name))
    .sort((a, b) => a.failures - b.failures);
}
