// The operations on certificates, the same in every contract, and their handlers.
import { z } from "zod";
import { Fault } from "../core/fault.ts";
import { isIpAddress } from "../core/ip-address.ts";
import { quote } from "../core/quote.ts";
import { canonicalServerName } from "../core/server-name.ts";
import { checked } from "./fields.ts";
import type { Operation } from "./operation.ts";
import type { Handler } from "./server.ts";

export const CERTIFICATE_STATES = ["valid", "expiring", "expired", "missing"] as const;
/** Why a certificate is taken back (RFC 5280 section 5.3.1), as far as an owner can say. */
export const REVOCATION_REASONS = {
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

export const certificateOperations = {
  listCertificates: {
    summary: "The certificates that there are or should be, when they end, and what their last try led to",
    method: "GET",
    path: "/api/certificates",
    scope: "read",
    answer: z.object({
      /** Whether https is served. */
      https: z.boolean(),
      /** Who is asked for certificates, the first first. */
      authorities: z.array(z.string()),
      certificates: z.array(certificate),
      /** Files that cannot be taken. */
      problems: z.array(z.object({ file: z.string(), problem: z.string() })),
    }),
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
  problems(): readonly { readonly file: string; readonly problem: string }[];
  add(
    pem: string,
    from: string,
  ): Promise<{ readonly names: readonly string[]; readonly issuer: string; readonly expiresAt: number }>;
  renew(name: string): Promise<CertificateView>;
  revoke(name: string, reason: number): Promise<void>;
  remove(name: string): Promise<void>;
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
    listCertificates: () => ({
      https: desk?.isServed ?? false,
      authorities: [...(desk?.authorities ?? [])],
      certificates: [...(desk?.list() ?? [])],
      problems: [...(desk?.problems() ?? [])],
    }),
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

/** A host name, a wildcard or an address in canonical form; throws a usage fault. */
export function parseCertificateName(text: string): string {
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
