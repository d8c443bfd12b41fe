// When certificates are ordered: renewal in its life, waits after failures, and what may be ordered in sum.
import { jittered } from "./backoff.ts";
import { registeredDomain } from "./server-name.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A certificate's life, in milliseconds since the Unix epoch. */
export interface Life {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** When an authority would like a certificate to be renewed (RFC 9773 section 4.2). */
export interface RenewalWindow {
  readonly start: number;
  readonly end: number;
}

/** Of a life: where renewal begins without a word of the authority, how far it is spread, and what of it is left when somebody should look. */
const RENEWED_AT = 2 / 3;
const SPREAD = 0.03;
const ALARM_LEFT = 0.2;

/** `chance` is 0 up to 1, so that many certificates of one day are not renewed in one hour. */
export function renewalTime({ notBefore, notAfter }: Life, chance: number): number {
  return notBefore + (notAfter - notBefore) * jittered(RENEWED_AT, SPREAD, chance);
}

/** A moment drawn from the authority's window; one that has passed means now, and none is later than a fifth of the life before its end. */
export function renewalTimeIn({ start, end }: RenewalWindow, life: Life, chance: number): number {
  return Math.min(start + Math.max(0, end - start) * chance, alarmTime(life));
}

/** From here on somebody should be told that no renewal has succeeded. */
export function alarmTime({ notBefore, notAfter }: Life): number {
  return notAfter - (notAfter - notBefore) * ALARM_LEFT;
}

/** How long a name waits after so many failures in a row: 1 min, 10 min, 1 h, 6 h. */
const WAITS = [MINUTE, 10 * MINUTE, HOUR, 6 * HOUR] as const;

/** At least what the authority asks for in Retry-After, at most a day. */
export function waitAfterFailure(failures: number, retryAfterMs: number | undefined, chance: number): number {
  const own = WAITS[Math.min(failures, WAITS.length) - 1] ?? 0;
  return Math.min(24 * HOUR, Math.max(jittered(own, 0.1, chance), retryAfterMs ?? 0));
}

/** One order that was placed. */
export interface Placed {
  readonly name: string;
  readonly at: number;
  readonly why: OrderReason;
  /** Within the authority's own window (RFC 9773 section 5): its limits do not count it. */
  readonly isExempt?: boolean | undefined;
  readonly hasFailed?: boolean | undefined;
  /** Whose name it is, where one can have many: the tenant of a wildcard. */
  readonly owner?: string | undefined;
}

/** `added` by configuration or by an operator, `demand` in a handshake, `renewal` of what there was. */
export type OrderReason = "added" | "demand" | "renewal";

/** Let's Encrypt: 300 new orders in 3 hours an account, 50 a week a registered domain, 5 failures an hour a name. */
const ORDERS_WITHIN = 3 * HOUR;
const ORDERS = 300;
const NAME_WITHIN = HOUR;
const NAME_ORDERS = 5;
const DOMAIN_WITHIN = 7 * 24 * HOUR;
const DOMAIN_ORDERS = 50;
/** What visitors bring about by asking for one name after the other below one tenant's wildcard. */
const OWNER_ORDERS = 10;

/** Whether an order has to be remembered: what is issued in a week counts, and of what came to nothing only that it was asked for. */
export function isRemembered({ at, hasFailed }: Pick<Placed, "at" | "hasFailed">, now: number): boolean {
  return at > now - (hasFailed ? ORDERS_WITHIN : DOMAIN_WITHIN);
}

/** What speaks against an order now, as a sentence and with the moment when it no longer does; undefined when nothing does. */
export interface Refusal {
  readonly reason: string;
  readonly until: number;
}

interface Limit {
  readonly text: string;
  readonly most: number;
  readonly withinMs: number;
  counts(order: Placed): boolean;
}

/** `wish.at` is the moment for which it is asked. */
export function refuseOrder(wish: Placed, placed: readonly Placed[]): Refusal | undefined {
  for (const limit of limitsOf(wish)) {
    const found = overrun(limit, placed, wish.at);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** How many more certificates of a kind may be ordered at `now`, and when there is room again where there is none. */
export function roomFor(
  why: OrderReason,
  placed: readonly Placed[],
  now: number,
): { readonly count: number; readonly until: number } {
  let count = Number.POSITIVE_INFINITY;
  let until = now;
  for (const limit of accountLimits(why)) {
    const used = placed.filter((order) => order.at > now - limit.withinMs && limit.counts(order)).length;
    count = Math.min(count, Math.max(0, limit.most - used));
    until = Math.max(until, overrun(limit, placed, now)?.until ?? now);
  }
  return { count, until };
}

/** Those of one account: renewals outside of a window count, and half is left for the other kind of what is new. */
function accountLimits(why: OrderReason): Limit[] {
  const all: Limit = {
    text: `${ORDERS} orders in 3 hours`,
    most: ORDERS,
    withinMs: ORDERS_WITHIN,
    counts: ({ isExempt }) => isExempt !== true,
  };
  if (why === "renewal") return [all];
  // Names of one kind leave room for the other: what is imported by the thousand, and what visitors ask for now.
  const half: Limit = {
    text: `${ORDERS / 2} new certificates in 3 hours`,
    most: ORDERS / 2,
    withinMs: ORDERS_WITHIN,
    counts: (order) => order.why === why,
  };
  return [half, all];
}

function limitsOf({ name, why, isExempt, owner }: Placed): Limit[] {
  const ofName: Limit = {
    text: `${NAME_ORDERS} orders an hour for one name`,
    most: NAME_ORDERS,
    withinMs: NAME_WITHIN,
    counts: (order) => order.name === name,
  };
  if (isExempt) return [ofName];
  if (why === "renewal") return [ofName, ...accountLimits(why)];
  const domain = registeredDomain(name);
  const ofDomain: Limit = {
    text: `${DOMAIN_ORDERS} new certificates a week below ${domain}`,
    most: DOMAIN_ORDERS,
    withinMs: DOMAIN_WITHIN,
    counts: ({ why, hasFailed, name }) =>
      why !== "renewal" && !hasFailed && registeredDomain(name) === domain,
  };
  const ofOwner: Limit = {
    text: `${OWNER_ORDERS} new certificates a week for what visitors ask of ${owner}`,
    most: OWNER_ORDERS,
    withinMs: DOMAIN_WITHIN,
    counts: (order) => order.why === "demand" && order.owner === owner,
  };
  const isCapped = why === "demand" && owner !== undefined;
  return [ofName, ...accountLimits(why), ofDomain, ...(isCapped ? [ofOwner] : [])];
}

/** Over when enough of those that count are older than the span. */
function overrun(limit: Limit, placed: readonly Placed[], now: number): Refusal | undefined {
  const times = placed
    .filter((order) => order.at > now - limit.withinMs && limit.counts(order))
    .map(({ at }) => at);
  if (times.length < limit.most) return undefined;
  times.sort((a, b) => a - b);
  return {
    reason: `the limit of ${limit.text} is used up`,
    until: (times[times.length - limit.most] ?? 0) + limit.withinMs,
  };
}
