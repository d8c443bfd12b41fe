// What keeps visitors of a name from coming by https: what was seen of it and what is known of its certificate, the most probable cause first.

import { type Looked, whereText } from "./look.ts";
import type { ShownCertificate } from "./shown-certificate.ts";

export interface Diagnosis {
  /** `well`, or what is wrong, as a word for programs. */
  readonly cause:
    | "well"
    | "foreign_name"
    | "clock"
    | "dns"
    | "points_elsewhere"
    | "unreachable"
    | "redirect_loop"
    | "certificate_missing"
    | "certificate_expired"
    | "certificate_ends";
  readonly text: string;
  /** What to do. */
  readonly hint: string;
}

export interface Known {
  readonly name: string;
  /** Whether visitors may come by it. */
  readonly isOurs: boolean;
  /** That which serves it; undefined when there is none, and none is wanted. */
  readonly certificate: ShownCertificate | undefined;
  /** That the clock of this machine is wrong. */
  readonly clock: string | undefined;
  readonly looked: Looked;
}

export function diagnose(known: Known, program: string): Diagnosis {
  const { name, isOurs, clock, looked } = known;
  if (!isOurs)
    return {
      cause: "foreign_name",
      text: `${name} is not served here: its handshakes are refused, and nothing is ordered for it`,
      hint: `${program} cert list has the names that are`,
    };
  const failing = causeOfCertificate(known, program);
  if (failing !== undefined && clock !== undefined)
    return { cause: "clock", text: `${clock}; ${failing.text}`, hint: "timedatectl set-ntp true" };
  const where = whereText(name, looked);
  if (looked.dnsError !== undefined)
    return { cause: "dns", text: where ?? name, hint: `add a record for ${name} with this server's address` };
  if (looked.circle !== undefined) return circleOf(name, looked.circle.by);
  if (failing !== undefined && isElsewhere(looked))
    return { cause: "points_elsewhere", text: `${where}; ${failing.text}`, hint: failing.hint };
  if (failing !== undefined && looked.answers === "nobody")
    return { cause: "unreachable", text: `${where}; ${failing.text}`, hint: failing.hint };
  if (failing !== undefined) return failing;
  if (isElsewhere(looked) && looked.tls?.serial !== known.certificate?.serial)
    return { cause: "points_elsewhere", text: where ?? name, hint: "what is below says what answers there" };
  return { cause: "well", text: wellText(known), hint: `${program} cert renew ${name} orders a new one` };
}

function isElsewhere({ answers }: Looked): boolean {
  return typeof answers === "object";
}

/** Cloudflare's "Flexible" is the usual one. */
function circleOf(name: string, by: string | undefined): Diagnosis {
  const who = by === undefined ? "whoever ends TLS in front of us" : `${by}, which ends TLS in front of us,`;
  return {
    cause: "redirect_loop",
    text: `https://${name}/ redirects to itself: ${who} comes to us by http, and we send it to https`,
    hint: 'let it come by https (Cloudflare: "Full (strict)"), or put its networks into trusted_proxies and have it say X-Forwarded-Proto: https',
  };
}

function causeOfCertificate({ name, certificate }: Known, program: string): Diagnosis | undefined {
  const { state, last_failure: failure, next_try_at: next, days_left: days, ordering } = certificate ?? {};
  const why = failure == null ? "" : `; the last try failed: ${failure.reason}`;
  const again = next == null ? "" : `; the next is at ${next}`;
  const hint = `mend that, then: ${program} cert renew ${certificate?.name ?? name}`;
  if (certificate === undefined || state === "missing")
    return {
      cause: "certificate_missing",
      text: ordering
        ? `a certificate for ${name} is ordered at this moment`
        : `${name} has no certificate${why}${again}`,
      hint,
    };
  if (state === "expired")
    return { cause: "certificate_expired", text: `the certificate of ${name} has ended${why}${again}`, hint };
  if (state === "expiring")
    return {
      cause: "certificate_ends",
      text: `the certificate of ${name} ends in ${days} days${why}${again}`,
      hint,
    };
  return undefined;
}

function wellText({ name, certificate }: Known): string {
  const { issuer, days_left: days } = certificate ?? {};
  return `${name} has a certificate by ${issuer ?? "nobody"}, good for ${Math.floor(days ?? 0)} days`;
}
