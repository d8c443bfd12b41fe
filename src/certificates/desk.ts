// Certificates as people see them: each with its state, whatever it comes from.

import { alarmTime } from "../core/certificate-schedule.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { CertificateFiles, FileCertificate } from "./files.ts";
import type { CertificateManager, CertificateStatus } from "./manager.ts";

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

export function createDesk(
  manager: CertificateManager,
  files: CertificateFiles | undefined,
  isServed: boolean,
  authorities: readonly string[],
  clock: Clock,
) {
  const shown = (status: CertificateStatus) => showStatus(status, clock.now());
  return {
    isServed,
    authorities,
    list: (): ShownCertificate[] => [
      ...(files?.list() ?? []).flatMap((certificate) => showFile(certificate, clock.now())),
      ...manager
        .list()
        .filter(
          ({ name, record, isWanted }) =>
            record.certificate !== undefined || (isWanted && files?.find(name) === undefined),
        )
        .map(shown),
    ],
    problems: () => [...(files?.problems() ?? [])].map(([file, problem]) => ({ file, problem })),
    async add(pem: string, from: string) {
      const { names, issuer, life } = await manager.add(pem, from);
      return { names, issuer, expiresAt: life.notAfter };
    },
    async renew(name: string) {
      const record = await manager.renew(name);
      return shown({ name, record, isWanted: true, isUnderWay: false });
    },
    revoke: (name: string, reason: number) => manager.revoke(name, reason),
    remove: (name: string) => manager.remove(name),
  };
}

function showStatus({ name, record, isUnderWay }: CertificateStatus, now: number): ShownCertificate {
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

function showFile({ names, issuer, serial, life, path }: FileCertificate, now: number): ShownCertificate[] {
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

function stateOf(life: { readonly notBefore: number; readonly notAfter: number } | undefined, now: number) {
  if (life === undefined) return "missing";
  if (now >= life.notAfter) return "expired";
  return now >= alarmTime(life) ? "expiring" : "valid";
}

function daysLeft(end: number | undefined, now: number): number | null {
  return end === undefined ? null : Math.floor(((end - now) / DAY_MS) * 10) / 10;
}

function iso(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
