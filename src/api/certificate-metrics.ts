// Metrics of https, the same in both programs: when certificates end, what cannot be had, and how handshakes end.
import type { CertificateDesk } from "./certificate-operations.ts";
import type { Metric, Sample } from "./prometheus.ts";

export interface CertificateFigures {
  readonly desk: CertificateDesk;
  /** By their result. */
  readonly handshakes: ReadonlyMap<string, number>;
}

const DAY_SECS = 86_400;

/** Names begin with `prefix`; none where https is not served. */
export function certificateMetrics(prefix: string, figures: CertificateFigures | undefined): Metric[] {
  if (figures === undefined) return [];
  const certificates = figures.desk.list();
  return [
    {
      name: `${prefix}_tls_certificate_expiry_seconds`,
      type: "gauge",
      help: "Time until a certificate ends; negative when it has ended.",
      samples: certificates.flatMap(({ name, source, days_left: days }): Sample[] =>
        days === null ? [] : [[{ name, source }, Math.round(days * DAY_SECS)]],
      ),
    },
    {
      name: `${prefix}_tls_certificate_failures`,
      type: "gauge",
      help: "Orders of a certificate that have failed in a row.",
      samples: certificates.map(({ name, failures }): Sample => [{ name }, failures]),
    },
    {
      name: `${prefix}_tls_handshakes_total`,
      type: "counter",
      help: "TLS handshakes by how they ended.",
      samples: [...figures.handshakes].map(([result, count]): Sample => [{ result }, count]),
    },
  ];
}
