// Orders certificates: one order a name whoever asks, few at once, within limits that we count ourselves.
import {
  isRemembered,
  type OrderReason,
  type Placed,
  type Refusal,
  refuseOrder,
  renewalTime,
  waitAfterFailure,
} from "../core/certificate-schedule.ts";
import { messageOf } from "../core/fault.ts";
import { type Clock, sleep } from "../platform/time/clock.ts";
import { AcmeProblem } from "./acme/problem.ts";
import type { Authorities } from "./authority.ts";
import { type Certificate, readCertificate } from "./certificate.ts";
import { clockText } from "./clock-text.ts";
import { NotNow } from "./holds.ts";
import { type KnownCertificate, type NameRecord, placedIn } from "./name-record.ts";
import type { Pair, Records } from "./records.ts";

export interface OrdersOptions {
  readonly records: Records;
  readonly authorities: Authorities;
  readonly clock: Clock;
  /** 0 up to 1. */
  random(): number;
  /** What else is to be told of a failure: where the name leads to. Undefined when there is nothing to say. */
  explain?: ((name: string) => Promise<string | undefined>) | undefined;
  /** Whether a name has an address at all; asked before it is tried again after a failure. True unless given. */
  resolves?: ((name: string) => Promise<boolean>) | undefined;
  /** Whose a name is, where one can have any number of them: what visitors bring about by asking is bounded for each. */
  ownerOf?: ((name: string) => string | undefined) | undefined;
  onIssued(record: NameRecord, isFirst: boolean): void;
  onFailed(record: NameRecord): void;
}

/** What is ordered at once: more would only make an authority slow down. */
const AT_ONCE = 4;
const OTHERS_EVERY_MS = 1_000;
const OTHERS_MOST_MS = 300_000;

export class Orders {
  readonly #options: OrdersOptions;
  readonly #flights = new Map<string, Promise<Pair | undefined>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #isClosed = false;

  constructor(options: OrdersOptions) {
    this.#options = options;
  }

  /** All orders that limits count. */
  placed(): Placed[] {
    return placedIn(this.#options.records.all(), this.#options.ownerOf);
  }

  /** Orders that wait for their turn, and that no limit counts yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** What speaks against an order of ours by what we count; undefined: nothing does. */
  refusal(name: string, why: OrderReason): Refusal | undefined {
    const { clock, ownerOf, records } = this.#options;
    const isExempt = why === "renewal" && records.get(name)?.certificate?.isWindowed === true;
    const wish = { at: clock.now(), why, ...(isExempt && { isExempt }), name, owner: ownerOf?.(name) };
    return refuseOrder(wish, this.placed());
  }

  isUnderWay(name: string): boolean {
    return this.#flights.has(name);
  }

  /** Joins the order of the name that is under way. Rejects with the reason of a failure, which is noted already. */
  obtain(name: string, why: OrderReason, isForced = false): Promise<Pair | undefined> {
    const under = this.#flights.get(name);
    if (under) return under;
    const done = this.#inTurn(() => this.#order(name, why, isForced)).finally(() =>
      this.#flights.delete(name),
    );
    this.#flights.set(name, done);
    return done;
  }

  /** Begins nothing any more. What is under way is left to the next start: orders outlive us. */
  close(): void {
    this.#isClosed = true;
    for (const start of this.#waiting.splice(0)) start();
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    while (this.#running >= AT_ONCE && !this.#isClosed)
      await new Promise<void>((start) => this.#waiting.push(start));
    if (this.#isClosed) throw new Error("the server ends");
    this.#running++;
    try {
      return await work();
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  async #order(name: string, why: OrderReason, isForced: boolean): Promise<Pair | undefined> {
    const { records, authorities } = this.#options;
    // Others were in turn before, and have found out: it is nothing that has to be noted for each name.
    const held = isForced ? undefined : authorities.heldUntil();
    if (held !== undefined) throw new NotNow("all authorities are left alone for now", held);
    const before = records.get(name);
    const serial = before?.certificate?.serial;
    const done = await records.alone(name, (record) => {
      // Somebody else was faster.
      if (record.certificate && record.certificate.serial !== serial) return records.pair(name);
      return this.#issue(name, why, isForced);
    });
    if (done !== undefined) return done.value;
    const others = await this.#awaitOthers(name, serial, before?.failures ?? 0);
    // What the dead had ordered is taken up where they left it.
    return others.haveGivenUp ? this.#order(name, why, isForced) : others.pair;
  }

  async #issue(name: string, why: OrderReason, isForced: boolean): Promise<Pair> {
    const { clock, records } = this.#options;
    const record = records.make(name);
    try {
      await this.#checkFirst(record, why, isForced);
      record.lastTryAt = record.placed.at(-1)?.at;
      const issued = await this.#fromAuthority(record, isForced);
      const isFirst = record.certificate === undefined;
      const known = knownOf(issued.certificate, issued.authority, this.#options.random(), clock.now());
      const pair = { chain: issued.certificate.chain, key: issued.certificate.key };
      await records.keep(record, known, pair);
      await this.#options.authorities.settle(name);
      this.#options.onIssued(record, isFirst);
      return pair;
    } catch (thrown) {
      if (thrown instanceof NotNow) await this.#putOff(record, why, thrown);
      else await this.#fail(record, thrown);
      throw thrown;
    }
  }

  /** What speaks against an order before an authority hears of it. */
  async #checkFirst(record: NameRecord, why: OrderReason, isForced: boolean): Promise<void> {
    const { clock, resolves } = this.#options;
    const { name } = record;
    const refusal = this.refusal(name, why);
    if (refusal) throw new NotNow(refusal.reason, refusal.until);
    const isExempt = why === "renewal" && record.certificate?.isWindowed === true;
    const order = { at: clock.now(), why, ...(isExempt && { isExempt }) };
    // Counted from here on, so that orders side by side do not pass the limit together.
    record.placed = [...record.placed.filter((before) => isRemembered(before, order.at)), order];
    if (record.failures === 0 || isForced || name.startsWith("*.")) return;
    if ((await resolves?.(name)) !== false) return;
    record.placed.pop();
    throw new Error(`${name} has no address in DNS: nothing was ordered`);
  }

  async #fromAuthority(record: NameRecord, isForced: boolean) {
    const { authorities, records, clock } = this.#options;
    const { name, certificate } = record;
    const authority = certificate?.authority;
    const before = authority === undefined ? undefined : await records.pair(name);
    const issued = await authorities.issue({
      name,
      isForced,
      replaces: before && authority !== undefined ? { chain: before.chain, authority } : undefined,
      // An order is stored as a try first: who dies right after it begins with a count that is right.
      beforeOrder: () => records.save(record),
    });
    const from = new URL(issued.authority).host;
    const read = readCertificate(`${issued.chain}\n${issued.key}`, from, clock.now());
    if (!read.names.includes(name))
      throw new Error(`${from} has issued a certificate for ${read.names.join(", ")}`);
    return { certificate: read, authority: issued.authority };
  }

  /** Nothing was tried: what the last try failed of stays the reason, and it is no news. */
  async #putOff(record: NameRecord, why: OrderReason, { until, message }: NotNow): Promise<void> {
    const { clock, records } = this.#options;
    // What visitors may not bring about now has a turn of its own where it is wanted.
    if (why !== "demand") record.nextTryAt = until;
    if (record.failures === 0) record.lastFailure = { at: clock.now(), reason: message };
    await records.save(record).catch(() => {});
  }

  async #fail(record: NameRecord, thrown: unknown): Promise<void> {
    const { clock, random, explain, records, authorities } = this.#options;
    const now = clock.now();
    const problem = thrown instanceof AcmeProblem ? thrown : undefined;
    const hint =
      problem && !problem.isTheirs ? await explain?.(record.name).catch(() => undefined) : undefined;
    const retryAfterMs = problem?.retryAfterMs;
    const last = record.placed.at(-1);
    if (last?.at === record.lastTryAt && last !== undefined) last.hasFailed = true;
    record.failures++;
    record.nextTryAt = now + waitAfterFailure(record.failures, retryAfterMs, random());
    record.heldUntil = retryAfterMs === undefined ? undefined : now + retryAfterMs;
    const reasons = [messageOf(thrown), hint, clockText(authorities.clock())];
    record.lastFailure = { at: now, reason: reasons.filter(Boolean).join("; ") };
    await records.save(record).catch(() => {});
    this.#options.onFailed(record);
  }

  /** Somebody else orders it: waits for what comes of that, or for the end of who does. */
  async #awaitOthers(name: string, serial: string | undefined, failures: number) {
    const { records, clock } = this.#options;
    const end = clock.monotonic() + OTHERS_MOST_MS;
    while (!this.#isClosed && clock.monotonic() < end) {
      await sleep(clock, OTHERS_EVERY_MS);
      await records.reread(name);
      const now = records.get(name);
      if (now?.certificate && now.certificate.serial !== serial)
        return { pair: await records.pair(name), haveGivenUp: false };
      if (now && now.failures > failures) throw new Error(now.lastFailure?.reason ?? "it failed elsewhere");
      if (await records.isFree(name)) return { pair: undefined, haveGivenUp: true };
    }
    return { pair: undefined, haveGivenUp: false };
  }
}

/** What is kept of a certificate that an authority has issued. */
function knownOf(
  { issuer, serial, life }: Certificate,
  authority: string,
  chance: number,
  now: number,
): KnownCertificate {
  return { issuer, serial, life, authority, renewAt: renewalTime(life, chance), askAt: now };
}
