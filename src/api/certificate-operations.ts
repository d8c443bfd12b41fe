// The operations on certificates, the same in every contract, and their handlers.
import { z } from "zod";
import { Fault } from "../core/fault.ts";
import { isIpAddress } from "../core/ip-address.ts";
import { quote } from "../core/quote.ts";
import { canonicalServerName } from "../core/server-name.ts";
import { checked, count } from "./fields.ts";
import type { Operation } from "./operation.ts";
import type { Handler } from "./server.ts";

const CERTIFICATE_STATES = ["valid", "expiring", "expired", "missing"] as const;
/** Why a certificate is taken back (RFC 5280 section 5.3.1), as far as an owner can say. */
const REVOCATION_REASONS = {
  unspecified: 0,
  "key-compromise": 1,
  superseded: 4,
  cessation: 5,
} as const;

const name = checked(parseCertificateName);
const params = z.strictObject({ name });
const reasons = Object.keys(REVOCATION_REASONS) as (keyof typeof REVOCATION_REASONS)[];
const PEM_MOST_CHARS = 262_144;
/** An order may take as long as its authority likes. */
const patient = 600_000;

const certificate = z.object({
  name: z.string(),
  state: z.enum(CERTIFICATE_STATES),
  /** `acme` by an authority, `given` by an operator, `file` in a directory of the operator's. */
  source: z.enum(["acme", "given", "file"]),
  issuer: z.string().nullable(),
  serial: z.string().nullable(),
  not_before: z.string().nullable(),
  expires_at: z.string().nullable(),
  days_left: z.number().nullable(),
  renew_at: z.string().nullable(),
  authority: z.string().nullable(),
  file: z.string().nullable(),
  ordering: z.boolean(),
  failures: z.number(),
  next_try_at: z.string().nullable(),
  last_failure: z.object({ at: z.string(), reason: z.string() }).nullable(),
});

export type CertificateView = z.output<typeof certificate>;

/** What a name of ours is like from here, and what is wrong with it. */
export const nameReport = z.object({
  name: z.string(),
  /** A word for programs, a sentence for people, and what to do. */
  cause: z.string(),
  text: z.string(),
  hint: z.string(),
  addresses: z.array(z.string()),
  /** Who answers there on port 80; null where there was no address to ask. */
  answers: z.enum(["us", "another", "nobody"]).nullable(),
  /** The certificate that is served there, which may be that of a proxy in front of us. */
  served: z.object({ issuer: z.string(), days_left: z.number(), is_ours: z.boolean() }).nullable(),
  certificate: certificate.nullable(),
});

export type NameReportView = z.output<typeof nameReport>;

/** The worst first. */
const RANKS = ["expired", "missing", "expiring", "valid"] as const;
const MOST = 100_000;

export const certificateOperations = {
  listCertificates: {
    summary: "The certificates that there are or should be, when they end, and what their last try led to",
    method: "GET",
    path: "/api/certificates",
    scope: "read",
    /** `search`: only names with it; `limit`: so many, the worst first. */
    query: z.strictObject({ search: z.string().max(253).optional(), limit: count(MOST, MOST).optional() }),
    answer: z.object({
      /** Whether https is served. */
      https: z.boolean(),
      /** How many there are with `search`, whatever the limit. */
      total: z.number(),
      /** Who is asked for certificates, the first first. */
      authorities: z.array(z.string()),
      certificates: z.array(certificate),
      /** Files that cannot be taken. */
      problems: z.array(z.object({ file: z.string(), problem: z.string() })),
    }),
  },
  lookAtName: {
    summary:
      "What keeps visitors of a name from https: where it leads to, who answers there, its certificate, redirects in a circle",
    method: "GET",
    path: "/api/certificates/:name/look",
    scope: "read",
    params,
    answer: nameReport,
  },
  addCertificate: {
    summary: "Serve a certificate of one's own for all of its names",
    method: "POST",
    path: "/api/certificates",
    scope: "admin",
    /** The certificate, what leads to a root, and the key; `from` is what messages call it. */
    body: z.strictObject({
      pem: z.string().max(PEM_MOST_CHARS),
      from: z.string().max(1_000).default("the certificate"),
    }),
    answer: z.object({ names: z.array(z.string()), issuer: z.string(), expires_at: z.string() }),
  },
  renewCertificate: {
    summary: "Order a new certificate for a name now; answers when it is in force",
    method: "POST",
    path: "/api/certificates/:name/renew",
    scope: "admin",
    params,
    answer: certificate,
    timeoutMs: patient,
  },
  revokeCertificate: {
    summary:
      "Have the authority take a certificate back, delete it, and order another where the name is still served",
    method: "POST",
    path: "/api/certificates/:name/revoke",
    scope: "admin",
    params,
    body: z.strictObject({ reason: z.enum(reasons).default("unspecified") }),
    answer: z.object({ name: z.string() }),
    timeoutMs: patient,
  },
  removeCertificate: {
    summary: "Delete a certificate and its key",
    method: "DELETE",
    path: "/api/certificates/:name",
    scope: "admin",
    params,
    answer: z.object({ name: z.string() }),
  },
} as const satisfies Record<string, Operation>;

type Handlers = {
  readonly [K in keyof typeof certificateOperations]: Handler<(typeof certificateOperations)[K]>;
};

/** What the handlers need of whoever keeps certificates. Rejects with Faults. */
export interface CertificateDesk {
  readonly isServed: boolean;
  readonly authorities: readonly string[];
  list(): readonly CertificateView[];
  /** What somebody has to see to, a sentence each. */
  trouble(): readonly string[];
  /** In short what there is for some names. */
  of(names: readonly string[]): { name: string; text: string; is_well: boolean }[];
  report(
    name: string,
  ): Promise<Readonly<Omit<NameReportView, "addresses">> & { readonly addresses: readonly string[] }>;
  problems(): readonly { readonly file: string; readonly problem: string }[];
  add(
    pem: string,
    from: string,
  ): Promise<{ readonly names: readonly string[]; readonly issuer: string; readonly expiresAt: number }>;
  renew(name: string): Promise<CertificateView>;
  revoke(name: string, reason: number): Promise<void>;
  remove(name: string): Promise<void>;
}

/** Without certificates nobody has looked at where names lead to; the rest is said of what stands behind them. */
function unseen(name: string): Fault {
  return new Fault(
    "not_found",
    `of ${name} nothing is known here but its service: certificates are not kept, as https is not served`,
    "ask for the service (their names: ps) instead of the host, or serve with --https",
  );
}

/** Undefined: this server has nothing to do with certificates. */
export function certificateHandlers(desk: CertificateDesk | undefined): Handlers {
  const open = (): CertificateDesk => {
    if (desk !== undefined) return desk;
    throw new Fault(
      "not_found",
      "https is not served here",
      "serve with --https, or with certificates of your own",
    );
  };
  return {
    listCertificates({ query: { search = "", limit } }) {
      const found = (desk?.list() ?? []).filter(({ name }) => name.includes(search.toLowerCase()));
      return {
        https: desk?.isServed ?? false,
        total: found.length,
        authorities: [...(desk?.authorities ?? [])],
        certificates: limit === undefined ? found : worstFirst(found).slice(0, limit),
        problems: [...(desk?.problems() ?? [])],
      };
    },
    async lookAtName({ params }) {
      if (desk === undefined) throw unseen(params.name);
      const report = await desk.report(params.name);
      return { ...report, addresses: [...report.addresses] };
    },
    async addCertificate({ body }) {
      const { names, issuer, expiresAt } = await open().add(body.pem, body.from);
      return { names: [...names], issuer, expires_at: new Date(expiresAt).toISOString() };
    },
    renewCertificate: ({ params }) => open().renew(params.name),
    async revokeCertificate({ params, body }) {
      await open().revoke(params.name, REVOCATION_REASONS[body.reason]);
      return params;
    },
    async removeCertificate({ params }) {
      await open().remove(params.name);
      return params;
    },
  };
}

function worstFirst(all: readonly CertificateView[]): CertificateView[] {
  const rank = ({ state, failures }: CertificateView) => RANKS.indexOf(state) - (failures > 0 ? 0.5 : 0);
  return all.toSorted((a, b) => rank(a) - rank(b) || (a.days_left ?? 0) - (b.days_left ?? 0));
}

/** A host name, a wildcard or an address in canonical form; throws a usage fault. */
function parseCertificateName(text: string): string {
  const wildcard = text.startsWith("*.") ? "*." : "";
  const name = canonicalServerName(text.slice(wildcard.length));
  if (name !== undefined) return wildcard + name;
  if (isIpAddress(text)) return text;
  throw new Fault(
    "usage",
    `${quote(text)} is no name of a certificate`,
    "write app.example.com or *.example.com",
  );
}
