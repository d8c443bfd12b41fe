// Certificates by name: found for a handshake, ordered when they are missing, renewed in time, told of when that fails.
import { alarmTime, renewalTimeIn } from "../core/certificate-schedule.ts";
import { Fault, messageOf } from "../core/fault.ts";
import { quote } from "../core/quote.ts";
import { wildcardOver } from "../core/server-name.ts";
import { sleep } from "../platform/time/clock.ts";
import type { Authorities } from "./authority.ts";
import { type Certificate, readCertificate } from "./certificate.ts";
import { startDue } from "./due.ts";
import { type NameRecord, newRecord } from "./name-record.ts";
import { Orders, type OrdersOptions } from "./orders.ts";
import { type Pair, Records } from "./records.ts";
import type { CertificateStore } from "./store/store.ts";

export interface CertificateEvent {
  readonly kind: "issued" | "renewed" | "failed" | "expiring" | "added" | "removed" | "revoked";
  readonly name: string;
  /** A sentence for the operator. */
  readonly detail: string;
}

export interface ManagerOptions
  extends Pick<OrdersOptions, "clock" | "random" | "explain" | "resolves" | "ownerOf"> {
  readonly store: CertificateStore;
  /** Undefined: nothing is ordered, only what operators give is served. */
  readonly authorities: Authorities | undefined;
  /** Whether a name is ours to order for now: the registry's word, asked before each order. */
  isOurs(name: string): boolean;
  /** Whether what an authority has issued is to be replaced now, as test certificates are when there are real ones. */
  isStale?(authority: string): boolean;
  onEvent(event: CertificateEvent): void;
  /** A certificate was replaced or removed: what was made of it is to be made anew. */
  onChange(name: string): void;
}

/** A name as people see it. */
export interface CertificateStatus {
  readonly name: string;
  readonly record: NameRecord;
  readonly isWanted: boolean;
  readonly isUnderWay: boolean;
}

export interface CertificateManager extends Disposable {
  /** The names that are to have a certificate without being asked for; those that are missing are ordered. */
  want(names: readonly string[]): void;
  /** Whether there is one for the name, be it by a wildcard. */
  has(name: string): boolean;
  /** Whether there is one of this very name. */
  isExact(name: string): boolean;
  /** The pair that serves a name. Undefined when there is none. */
  pair(name: string): Promise<Pair | undefined>;
  /** Orders one for a name that has none, at most once a minute; what it led to, or undefined after `waitMs`. */
  demand(name: string, waitMs: number): Promise<Pair | undefined>;
  list(): CertificateStatus[];
  /** Those of the list that somebody should look at: what could not be had, and what is near its end. */
  troubled(): CertificateStatus[];
  /** Orders a new one now, whatever the last try led to. Rejects with a Fault that says why it failed. */
  renew(name: string): Promise<NameRecord>;
  /** Takes a certificate that an operator gives; it is served for each of its names. Rejects with a Fault for what cannot be served. */
  add(text: string, from: string): Promise<Certificate>;
  /** Forgets what an operator gave or an authority issued. Rejects when there was nothing. */
  remove(name: string): Promise<void>;
  /** Has it taken back by its authority, then forgets it and orders another if the name is wanted. */
  revoke(name: string, reason: number): Promise<void>;
  /** Does what is due, and starts orders without waiting for them; called by the clock. */
  tick(): Promise<void>;
}

const TICK_MS = 60_000;
const REFUSED_TOLD = 100;
const DEMAND_EVERY_MS = 60_000;
/** Questions for renewal times in one tick: 10,000 names are asked for in three hours. */
const ASKS_AT_ONCE = 60;
/** Where the authority says nothing. */
const ASK_AGAIN_MS = 24 * 3_600_000;
const LEAST_LIFE_MS = 6 * 3_600_000;
const REVIEW_MS = 600_000;
const FORGET_MS = 24 * 3_600_000;

/** Opens what is stored; orders nothing for names that have a certificate. */
export async function createCertificateManager(options: ManagerOptions): Promise<CertificateManager> {
  const manager = new Manager(options);
  await manager.open();
  return manager;
}

class Manager implements CertificateManager {
  readonly #options: ManagerOptions;
  readonly #records: Records;
  readonly #orders: Orders | undefined;
  #wanted: ReadonlySet<string> = new Set();
  /** Names that visitors have asked for beyond what they may bring about. */
  readonly #refused = new Set<string>();
  #nextDueAt = 0;
  #reviewAt = 0;
  #ticking: Promise<void> | undefined;
  #stop: (() => void) | undefined;
  #isClosed = false;

  constructor(options: ManagerOptions) {
    const { store, clock, authorities } = options;
    this.#options = options;
    this.#records = new Records(store, clock, options.onChange);
    if (authorities === undefined) return;
    this.#orders = new Orders({
      ...options,
      authorities,
      records: this.#records,
      onIssued: (record, isFirst) => this.#onIssued(record, isFirst),
      onFailed: (record) => this.#onFailed(record),
    });
  }

  async open(): Promise<void> {
    await this.#records.open();
    this.#stop = this.#options.clock.every(TICK_MS, () => void this.tick());
  }

  want(names: readonly string[]): void {
    this.#wanted = new Set(names);
    this.#lookAgain();
  }

  has(name: string): boolean {
    return this.#records.serving(name) !== undefined;
  }

  isExact(name: string): boolean {
    return this.#records.get(name)?.certificate !== undefined;
  }

  async pair(name: string): Promise<Pair | undefined> {
    const record = this.#records.serving(name);
    return record && this.#records.pair(record.name);
  }

  async demand(asked: string, waitMs: number): Promise<Pair | undefined> {
    const { clock, isOurs } = this.#options;
    if (this.#orders === undefined || this.#isClosed || !isOurs(asked)) return undefined;
    // Had since it was looked for.
    if (this.has(asked)) return this.pair(asked);
    const name = this.#wildcardFor(asked) ?? asked;
    if (this.#heldUntil() !== undefined && !this.#orders.isUnderWay(name)) return undefined;
    const { lastTryAt = 0, lastFailure, heldUntil = 0 } = this.#records.get(name) ?? newRecord(name);
    const now = clock.now();
    // A try without an end is under way elsewhere, or its program has died: it is waited for, or taken up.
    const hasEnded = (lastFailure?.at ?? -1) >= lastTryAt;
    const isEarly = (hasEnded && now - lastTryAt < DEMAND_EVERY_MS) || heldUntil > now;
    if (isEarly && !this.#orders.isUnderWay(name)) return undefined;
    if (!this.#orders.isUnderWay(name) && this.#orders.refusal(name, "demand") !== undefined) {
      // Strangers make up names without end: of those that are refused only some are told of, each once.
      if (this.#records.get(name) !== undefined || this.#refused.size >= REFUSED_TOLD) return undefined;
      this.#refused.add(name);
    }
    const order = this.#orders.obtain(name, "demand").catch(() => undefined);
    return Promise.race([order, sleep(clock, waitMs).then(() => undefined)]);
  }

  /** The wildcard that is to serve a name, unless it cannot be had. */
  #wildcardFor(name: string): string | undefined {
    const wildcard = wildcardOver(name);
    if (wildcard === undefined || !this.#wanted.has(wildcard)) return undefined;
    return (this.#records.get(wildcard)?.failures ?? 0) === 0 ? wildcard : undefined;
  }

  list(): CertificateStatus[] {
    const known = [...this.#records.all()].map(({ name }) => name);
    const names = [...new Set([...known, ...this.#wanted])].sort();
    return names.map((name) => this.#statusOf(this.#records.get(name) ?? newRecord(name)));
  }

  troubled(): CertificateStatus[] {
    const now = this.#options.clock.now();
    const some = [...this.#records.all()].filter((record) => isTroubled(record, now) && this.#isKept(record));
    return some.map((record) => this.#statusOf(record));
  }

  #statusOf(record: NameRecord): CertificateStatus {
    const { name } = record;
    const isUnderWay = this.#orders?.isUnderWay(name) ?? false;
    return { name, record, isWanted: this.#isWanted(name), isUnderWay };
  }

  async renew(name: string): Promise<NameRecord> {
    if (this.#orders === undefined)
      throw new Fault("conflict", "no certificate is ordered here", "serve with --https, or: cert add FILE");
    const record = this.#records.get(name);
    if (record?.certificate && record.certificate.authority === undefined)
      throw new Fault(
        "conflict",
        `the certificate of ${quote(name)} was given`,
        "give a new one: cert add FILE",
      );
    if (!this.#isWanted(name)) throw notFound(name);
    let pair: Pair | undefined;
    try {
      pair = await this.#orders.obtain(name, record?.certificate ? "renewal" : "added", true);
    } catch (thrown) {
      const hint = record?.certificate
        ? "the one before stays in force"
        : "cert list says when the next try is";
      throw new Fault("unhealthy", `no certificate for ${quote(name)}: ${messageOf(thrown)}`, hint);
    }
    if (pair === undefined)
      throw new Fault(
        "unhealthy",
        `${quote(name)} is still ordered by another slum`,
        "cert list says what comes of it",
      );
    return this.#records.get(name) ?? newRecord(name);
  }

  async add(text: string, from: string): Promise<Certificate> {
    const read = readCertificate(text, from, this.#options.clock.now());
    const { names, chain, key, issuer, serial, life } = read;
    const replaced = names.filter((name) => this.isExact(name));
    for (const name of names)
      await this.#alone(name, () =>
        this.#records.keep(this.#records.make(name), { issuer, serial, life }, { chain, key }),
      );
    const detail = `given, by ${issuer}, ${untilWhen(life)}`;
    for (const name of names) this.#tell(replaced.includes(name) ? "renewed" : "added", name, detail);
    return read;
  }

  async remove(name: string): Promise<void> {
    if (this.#records.get(name)?.certificate === undefined) throw notFound(name);
    await this.#alone(name, () => this.#records.forget(name));
    this.#tell("removed", name, "its certificate and key are deleted");
    this.#lookAgain();
  }

  async revoke(name: string, reason: number): Promise<void> {
    const authority = this.#records.get(name)?.certificate?.authority;
    const pair = await this.#records.pair(name);
    if (pair === undefined) throw notFound(name);
    if (authority === undefined || this.#options.authorities === undefined)
      throw new Fault(
        "conflict",
        `the certificate of ${quote(name)} was not issued to us`,
        "revoke it where it came from, then: cert rm",
      );
    const { authorities } = this.#options;
    await this.#alone(name, async () => {
      try {
        await authorities.revoke(pair.chain, authority, reason);
      } catch (thrown) {
        throw new Fault("unhealthy", `not revoked: ${messageOf(thrown)}`, "nothing was changed; try again");
      }
      await this.#records.forget(name);
    });
    this.#tell("revoked", name, `by ${new URL(authority).host}`);
    this.#lookAgain();
  }

  /** With the right to change what is stored of a name; throws a Fault where somebody else has it. */
  async #alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    const done = await this.#records.alone(name, work);
    if (done === undefined)
      throw new Fault("conflict", `${quote(name)} is ordered at this moment`, "try again in a minute");
    return done.value;
  }

  tick(): Promise<void> {
    this.#ticking ??= this.#doTick()
      .catch((thrown) => this.#tell("failed", "", `certificates: ${messageOf(thrown)}`))
      .finally(() => {
        this.#ticking = undefined;
      });
    return this.#ticking;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#stop?.();
    this.#orders?.close();
  }

  // ---- what is due

  /** At once, and again when the tick that runs has ended. */
  #lookAgain(): void {
    this.#nextDueAt = 0;
    void (this.#ticking ?? Promise.resolve()).then(() => this.tick());
  }

  async #doTick(): Promise<void> {
    if (this.#isClosed) return;
    if (await this.#records.hearOthers()) this.#nextDueAt = 0;
    const now = this.#options.clock.now();
    if (now >= this.#nextDueAt) this.#startDue(now);
    if (this.#options.authorities !== undefined) await this.#askAuthorities(now);
    if (now >= this.#reviewAt) await this.#reviewAll(now);
  }

  /** Starts what is due, and notes when the next is. */
  #startDue(now: number): void {
    const orders = this.#orders;
    if (orders === undefined) return;
    const { isStale = () => false } = this.#options;
    this.#nextDueAt =
      this.#heldUntil() ??
      startDue({
        ...{ orders, now, isStale, wanted: this.#wanted, againMs: TICK_MS },
        records: this.#records,
        isWanted: (name) => this.#isWanted(name),
      });
  }

  /** Until when no authority is to be asked. */
  #heldUntil(): number | undefined {
    return this.#options.authorities?.heldUntil();
  }

  #isWanted(name: string): boolean {
    return this.#wanted.has(name) || this.#options.isOurs(name);
  }

  /** Renewal times that authorities wish for (RFC 9773). */
  async #askAuthorities(now: number): Promise<void> {
    let left = ASKS_AT_ONCE;
    for (const { name, certificate } of this.#records.all()) {
      if (certificate?.authority === undefined || (certificate.askAt ?? now + 1) > now) continue;
      if (this.#records.isBusy(name)) continue;
      if (left-- === 0) return;
      await this.#records.alone(name, (record) => this.#askAuthority(record, now));
    }
  }

  async #askAuthority(record: NameRecord, now: number): Promise<void> {
    const { authorities, random } = this.#options;
    const { certificate, name } = record;
    if (certificate?.authority === undefined || (certificate.askAt ?? 0) > now) return;
    const pair = await this.#records.pair(name);
    const info =
      pair && (await authorities?.renewalInfo(pair.chain, certificate.authority).catch(() => undefined));
    certificate.askAt = now + (info?.askAgainMs ?? ASK_AGAIN_MS);
    // Nothing was learned: it is asked again after a restart, and nothing has to be kept.
    if (info === undefined) return;
    const { start, end } = info.window;
    const known = certificate.renewAt ?? 0;
    certificate.isWindowed = true;
    // A moment that was drawn from the same window stays.
    if (known < start || known > end)
      certificate.renewAt = Math.max(
        renewalTimeIn(info.window, certificate.life, random()),
        // An authority that wants even fresh ones replaced is not asked for one after the other.
        certificate.life.notBefore + LEAST_LIFE_MS,
      );
    this.#dueBy(certificate.renewAt);
    await this.#records.save(record);
  }

  #dueBy(at: number | undefined): void {
    this.#nextDueAt = Math.min(this.#nextDueAt, at ?? this.#nextDueAt);
  }

  /** Tells of ends that come near, and forgets what nobody wants. */
  async #reviewAll(now: number): Promise<void> {
    this.#reviewAt = now + REVIEW_MS;
    const some = [...this.#records.all()].filter((record) => this.#isToReview(record, now));
    for (const { name } of some)
      if (!this.#records.isBusy(name)) await this.#records.alone(name, (record) => this.#review(record, now));
  }

  #isKept({ name, certificate }: NameRecord): boolean {
    return this.#isWanted(name) || (certificate !== undefined && certificate.authority === undefined);
  }

  #isToReview(record: NameRecord, now: number): boolean {
    const isForgotten = record.unwantedSince !== undefined;
    return isForgotten || !this.#isKept(record) || isAlarming(record, now);
  }

  async #review(record: NameRecord, now: number): Promise<void> {
    const { certificate, name, unwantedSince, lastFailure } = record;
    if (!this.#isKept(record)) {
      if (unwantedSince !== undefined && now - unwantedSince > FORGET_MS) return this.#records.forget(name);
      record.unwantedSince ??= now;
      return this.#records.save(record);
    }
    record.unwantedSince = undefined;
    const isNear = certificate !== undefined && isAlarming(record, now);
    if (isNear) certificate.alarmed = true;
    await this.#records.save(record);
    if (!isNear) return;
    const why = lastFailure === undefined ? "" : `; the last try failed: ${lastFailure.reason}`;
    this.#tell("expiring", name, `${untilWhen(certificate.life)}${why}`);
  }

  // ---- what is told

  #onIssued({ name, certificate }: NameRecord, isFirst: boolean): void {
    if (certificate === undefined) return;
    this.#dueBy(certificate.renewAt);
    this.#tell(
      isFirst ? "issued" : "renewed",
      name,
      `by ${certificate.issuer}, ${untilWhen(certificate.life)}`,
    );
  }

  #onFailed({ name, nextTryAt, lastFailure }: NameRecord): void {
    this.#dueBy(nextTryAt);
    const next = nextTryAt === undefined ? "" : `; next try ${new Date(nextTryAt).toISOString()}`;
    this.#tell("failed", name, `${lastFailure?.reason ?? "unknown"}${next}`);
  }

  #tell(kind: CertificateEvent["kind"], name: string, detail: string): void {
    this.#options.onEvent({ kind, name, detail });
  }
}

function isTroubled({ certificate, failures, lastFailure }: NameRecord, now: number): boolean {
  if (certificate === undefined) return lastFailure !== undefined;
  return failures > 0 || now >= alarmTime(certificate.life);
}

function isAlarming({ certificate }: NameRecord, now: number): boolean {
  return certificate !== undefined && !certificate.alarmed && now >= alarmTime(certificate.life);
}

function untilWhen({ notAfter }: { readonly notAfter: number }): string {
  return `valid until ${new Date(notAfter).toISOString()}`;
}

function notFound(name: string): Fault {
  return new Fault("not_found", `there is no certificate for ${quote(name)}`, "the names: cert list");
}
