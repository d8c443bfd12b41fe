// Certificates as people see them: each with its state, whatever it comes from.

import { canonicalServerName, wildcardOver } from "../core/server-name.ts";
import type { Clock } from "../platform/time/clock.ts";
import { type Diagnosis, diagnose } from "./diagnose.ts";
import type { CertificateFiles } from "./files.ts";
import { type Looked, NOT_LOOKED_AT } from "./look.ts";
import type { CertificateManager, CertificateStatus } from "./manager.ts";
import {
  daysLeft,
  isTrouble,
  type ShownCertificate,
  showFile,
  showStatus,
  troubleText,
  whatText,
} from "./shown-certificate.ts";

export interface DeskParts {
  /** `ten` or `slum`, for what is said to do. */
  readonly program: string;
  readonly manager: CertificateManager;
  readonly files: CertificateFiles | undefined;
  readonly authorities: readonly string[];
  readonly clock: Clock;
  isOurs(name: string): boolean;
  look(name: string): Promise<Looked>;
  /** That the clock of this machine is not that of an authority. */
  clockTrouble(): string | undefined;
}

/** What was seen of a name, and what follows. */
export interface NameReport extends Diagnosis {
  readonly name: string;
  readonly addresses: readonly string[];
  /** Who answers an authority there. */
  readonly answers: "us" | "another" | "nobody" | null;
  /** What is served there on the port for https, which may be that of a proxy in front. */
  readonly served: { readonly issuer: string; readonly days_left: number; readonly is_ours: boolean } | null;
  readonly certificate: ShownCertificate | null;
}

/** Lines of trouble; how many more there are is said. */
const TROUBLES = 5;

export function createDesk(parts: DeskParts) {
  const { manager, files, authorities, clock } = parts;
  const shown = (status: CertificateStatus) => showStatus(status, clock.now());
  const fromFiles = () => (files?.list() ?? []).flatMap((certificate) => showFile(certificate, clock.now()));
  const list = (): ShownCertificate[] => [
    ...fromFiles(),
    ...manager
      .list()
      .filter(
        ({ name, record, isWanted }) =>
          record.certificate !== undefined || (isWanted && files?.find(name) === undefined),
      )
      .map(shown),
  ];

  /** That which serves a name: a file's before any other, its own before a wildcard's. */
  function serving(name: string, all = list()): ShownCertificate | undefined {
    const rank = ({ name: covered, source }: ShownCertificate) =>
      covered === name || covered === wildcardOver(name)
        ? (source === "file" ? 0 : 2) + (covered === name ? 0 : 1)
        : undefined;
    return all
      .filter((one) => rank(one) !== undefined)
      .sort(
        (a, b) =>
          Number(a.state === "missing") - Number(b.state === "missing") || (rank(a) ?? 0) - (rank(b) ?? 0),
      )[0];
  }

  return {
    isServed: true,
    authorities,
    list,
    problems: () => [...(files?.problems() ?? [])].map(([file, problem]) => ({ file, problem })),
    /** What somebody has to see to, a sentence each, the worst first; empty when all is well. */
    trouble(): string[] {
      const some = [...manager.troubled().map(shown), ...fromFiles()]
        .filter(isTrouble)
        .sort((a, b) => (a.days_left ?? 0) - (b.days_left ?? 0));
      // An authority that is down is one trouble, of however many names.
      const kinds = [...Map.groupBy(some, whatText).values()];
      const more = kinds.slice(TROUBLES).flat().length;
      return [
        ...[parts.clockTrouble() ?? []].flat(),
        ...kinds.slice(0, TROUBLES).map(troubleText),
        ...(more > 0 ? [`${more} more certificates fail or end soon: ${parts.program} cert list`] : []),
        ...[...(files?.problems() ?? [])].slice(0, TROUBLES).map(([, problem]) => problem),
      ];
    },
    /** What there is for some names in short, those that are to have none left out. */
    of(names: readonly string[]): { name: string; text: string; is_well: boolean }[] {
      const all = list();
      return names.flatMap((name) => {
        const one = serving(name, all);
        if (one === undefined) return [];
        if (isTrouble(one) || one.state === "missing")
          return [{ name, text: troubleText([one]), is_well: !isTrouble(one) }];
        const text = `${name}: by ${one.issuer}, good for ${Math.floor(one.days_left ?? 0)} days`;
        return [{ name, text, is_well: true }];
      });
    },
    async report(text: string): Promise<NameReport> {
      const name = canonicalServerName(text) ?? text;
      const certificate = serving(name);
      const isOurs = parts.isOurs(name) || (certificate !== undefined && certificate.state !== "missing");
      const looked = isOurs ? await parts.look(name) : NOT_LOOKED_AT;
      const found = diagnose(
        { name, isOurs, certificate, clock: parts.clockTrouble(), looked },
        parts.program,
      );
      const { addresses, answers, tls } = looked;
      return {
        ...found,
        name,
        addresses,
        answers: typeof answers === "object" ? "another" : (answers ?? null),
        served: tls
          ? {
              issuer: tls.issuer,
              days_left: daysLeft(tls.notAfter, clock.now()) ?? 0,
              is_ours: tls.serial === certificate?.serial,
            }
          : null,
        certificate: certificate ?? null,
      };
    },
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
