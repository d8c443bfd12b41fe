// What a request is answered because https is served: an authority's question, a certificate that does not cover its host, the way from http to https.
import { canonicalHost } from "../../core/host.ts";
import type { RequestHead } from "../../core/http1/request-head.ts";
import type { OwnAnswer } from "../answers.ts";
import type { CertificateSource } from "../data-plane.ts";
import type { ClientConnection } from "./client-connection.ts";

const SLASH = 47;
const DOT = 46;
const HTTPS_PORT = 443;
/** Long enough to spare a visitor the way, short enough to be taken back. */
const REDIRECT_SECS = 300;

export class HttpsRules {
  readonly #certificates: CertificateSource;
  readonly #port: () => number;

  /** `port` is where https is served, as visitors see it. */
  constructor(certificates: CertificateSource, port: () => number) {
    this.#certificates = certificates;
    this.#port = port;
  }

  /** The answer to an authority that asks at this host, whatever it is otherwise. */
  challenge(head: RequestHead): OwnAnswer | undefined {
    const { bytes, targetStart } = head;
    if (bytes[targetStart] !== SLASH || bytes[targetStart + 1] !== DOT) return undefined;
    const body = this.#certificates.challengeAnswer(head.path);
    return body === undefined ? undefined : answer(200, [["Content-Type", "text/plain"]], body);
  }

  /** Whether a request came by a connection whose certificate says nothing of its host (RFC 9110 section 15.5.20). */
  isMisdirected({ isTls, serverName }: ClientConnection, host: string): boolean {
    if (!isTls || serverName === undefined || host === serverName) return false;
    const canonical = canonicalHost(host);
    return canonical !== undefined && !this.#certificates.covers(serverName, canonical);
  }

  /** Where a request by http is sent; undefined while there is no certificate for its host, so that it is served as it came. */
  redirect(head: RequestHead, host: string): OwnAnswer | undefined {
    const canonical = canonicalHost(host);
    if (canonical === undefined || !this.#certificates.has(canonical)) return undefined;
    const port = this.#port();
    const location = `https://${canonical}${port === HTTPS_PORT ? "" : `:${port}`}${head.path}`;
    const fields = [
      ["Location", location],
      ["Cache-Control", `max-age=${REDIRECT_SECS}`],
    ] as const;
    return answer(308, fields, "");
  }
}

function answer(status: number, fields: OwnAnswer["fields"], body: string): OwnAnswer {
  return { status, fields, body, endsConnection: false };
}
