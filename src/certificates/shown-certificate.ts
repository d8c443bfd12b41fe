// A certificate as people see it: its state, the days that are left, the next try and the last failure, whatever it comes from.
import { alarmTime } from "../core/certificate-schedule.ts";
import type { FileCertificate } from "./files.ts";
import type { CertificateStatus } from "./manager.ts";

export interface ShownCertificate {
  readonly name: string;
  readonly state: "valid" | "expiring" | "expired" | "missing";
  readonly source: "acme" | "given" | "file";
  readonly issuer: string | null;
  readonly serial: string | null;
  readonly not_before: string | null;
  readonly expires_at: string | null;
  readonly days_left: number | null;
  readonly renew_at: string | null;
  readonly authority: string | null;
  readonly file: string | null;
  readonly ordering: boolean;
  readonly failures: number;
  readonly next_try_at: string | null;
  readonly last_failure: { readonly at: string; readonly reason: string } | null;
}

const DAY_MS = 86_400_000;

export function showStatus({ name, record, isUnderWay }: CertificateStatus, now: number): ShownCertificate {
  const { certificate, failures, nextTryAt, lastFailure } = record;
  const { issuer, serial, life, authority, renewAt } = certificate ?? {};
  const isOurs = certificate === undefined || authority !== undefined;
  return {
    name,
    state: stateOf(life, now),
    source: isOurs ? "acme" : "given",
    issuer: issuer ?? null,
    serial: serial ?? null,
    not_before: iso(life?.notBefore),
    expires_at: iso(life?.notAfter),
    days_left: daysLeft(life?.notAfter, now),
    renew_at: iso(renewAt),
    authority: authority ?? null,
    file: null,
    ordering: isUnderWay,
    failures,
    next_try_at: failures > 0 || certificate === undefined ? iso(nextTryAt) : null,
    last_failure:
      lastFailure === undefined
        ? null
        : { at: new Date(lastFailure.at).toISOString(), reason: lastFailure.reason },
  };
}

export function showFile(
  { names, issuer, serial, life, path }: FileCertificate,
  now: number,
): ShownCertificate[] {
  return names.map((name) => ({
    name,
    state: stateOf(life, now),
    source: "file",
    issuer,
    serial,
    not_before: iso(life.notBefore),
    expires_at: iso(life.notAfter),
    days_left: daysLeft(life.notAfter, now),
    renew_at: null,
    authority: null,
    file: path,
    ordering: false,
    failures: 0,
    next_try_at: null,
    last_failure: null,
  }));
}

export function isTrouble({ state, failures, last_failure: failure }: ShownCertificate): boolean {
  return state === "missing" ? failure !== null : state !== "valid" || failures > 0;
}

/** What is wrong with one, without its name. */
export function whatText({ state, days_left: days, last_failure: failure }: ShownCertificate): string {
  const what = {
    missing: "no certificate",
    expired: "the certificate has ended",
    expiring: `the certificate ends in ${Math.floor(days ?? 0)} days`,
    valid: `the certificate could not be renewed, ${Math.floor(days ?? 0)} days are left`,
  }[state];
  return failure === null ? what : `${what}: ${failure.reason}`;
}

/** Of those with the same trouble, with when the first is tried again. */
export function troubleText(some: readonly ShownCertificate[]): string {
  const [first] = some;
  if (first === undefined) return "";
  const names = some.length === 1 ? first.name : `${first.name} and ${some.length - 1} more`;
  const next = some.flatMap(({ next_try_at: at }) => at ?? []).sort()[0];
  return `${names}: ${whatText(first)}${next === undefined ? "" : `; next try ${next}`}`;
}

function stateOf(life: { readonly notBefore: number; readonly notAfter: number } | undefined, now: number) {
  if (life === undefined) return "missing";
  if (now >= life.notAfter) return "expired";
  return now >= alarmTime(life) ? "expiring" : "valid";
}

export function daysLeft(end: number | undefined, now: number): number | null {
  return end === undefined ? null : Math.floor(((end - now) / DAY_MS) * 10) / 10;
}

function iso(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
