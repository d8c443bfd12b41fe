// Certificates for listeners under test, as they would be told to one in a process of its own.
import { CIPHERS } from "../../src/certificates/served.ts";
import { systemClock } from "../../src/platform/time/clock.ts";
import type { CertificateNews } from "../../src/proxy/data-plane.ts";
import { ToldCertificates } from "../../src/proxy/workers/told-certificates.ts";

/** `take` replaces them. */
export function fixedCertificates(news: Partial<CertificateNews>): ToldCertificates {
  const nobody = () => Promise.reject(new Error("nobody orders"));
  const all = { certificates: [], fallback: undefined, challenges: [], thumbprint: undefined, ...news };
  return new ToldCertificates({ ciphers: CIPHERS, clock: systemClock }, all, nobody);
}
