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
}

/** `added` by configuration or by an operator, `demand` in a handshake, `renewal` of what there was. */
export type OrderReason = "added" | "demand" | "renewal";

/** Let's Encrypt: 300 new orders in 3 hours an account, 50 a week a registered domain; renewals are not counted. */
const ORDERS_WITHIN = 3 * HOUR;
const ORDERS = 300;
const NAME_WITHIN = HOUR;
const NAME_ORDERS = 5;
const DOMAIN_WITHIN = 7 * 24 * HOUR;
const DOMAIN_ORDERS = 50;

/** How long an order has to be remembered. */
export const REMEMBERED_MS = DOMAIN_WITHIN;

/** What speaks against an order now, as a sentence and with the moment when it no longer does; undefined when nothing does. */
export interface Refusal {
  readonly reason: string;
  readonly until: number;
}

export function refuseOrder(
  name: string,
  why: OrderReason,
  placed: readonly Placed[],
  now: number,
): Refusal | undefined {
  const since = (span: number, of: (order: Placed) => boolean) =>
    placed.filter((order) => order.at > now - span && of(order));
  const ofName = since(NAME_WITHIN, (order) => order.name === name);
  if (ofName.length >= NAME_ORDERS)
    return refusal(`${NAME_ORDERS} orders an hour for one name`, ofName, NAME_ORDERS, NAME_WITHIN);
  if (why === "renewal") return undefined;
  // Names of one kind leave room for the other: what is imported by the thousand, and what visitors ask for now.
  const alike = since(ORDERS_WITHIN, (order) => order.why === why);
  if (alike.length >= ORDERS / 2)
    return refusal(`${ORDERS / 2} new certificates in 3 hours`, alike, ORDERS / 2, ORDERS_WITHIN);
  const domain = registeredDomain(name);
  const ofDomain = since(
    DOMAIN_WITHIN,
    (order) => order.why !== "renewal" && registeredDomain(order.name) === domain,
  );
  if (ofDomain.length >= DOMAIN_ORDERS)
    return refusal(
      `${DOMAIN_ORDERS} new certificates a week below ${domain}`,
      ofDomain,
      DOMAIN_ORDERS,
      DOMAIN_WITHIN,
    );
  return undefined;
}

/** Over when enough of them are older than the span. */
function refusal(limit: string, placed: readonly Placed[], most: number, span: number): Refusal {
  const times = placed.map(({ at }) => at).sort((a, b) => a - b);
  return { reason: `the limit of ${limit} is used up`, until: (times[times.length - most] ?? 0) + span };
}
