// The metrics of a slum: its registry, its servers and what waits for receivers.
import { type CertificateFigures, certificateMetrics } from "../../api/certificate-metrics.ts";
import { type Metric, prometheusPage, type Sample } from "../../api/prometheus.ts";
import { type OwnHistory, ownAnswersMetric } from "./own-answers.ts";
import type { ServerView } from "./shapes.ts";
import type { View } from "./view.ts";

export function metricsPage(
  view: View,
  version: string,
  history: OwnHistory,
  certificates?: CertificateFigures,
): string {
  const { servers, tenants, unroutable_total, registry, webhooks } = view.status();
  const gauge = (name: string, help: string, value: number | null): Metric => ({
    name,
    type: "gauge",
    help,
    samples: [[{}, value ?? Number.NaN]],
  });
  const each = (
    type: Metric["type"],
    name: string,
    help: string,
    value: (server: ServerView) => number,
  ): Metric => ({
    name,
    type,
    help,
    samples: servers.map((server): Sample => [{ server: server.id }, value(server)]),
  });
  return prometheusPage([
    { name: "slum_info", type: "gauge", help: "The version that runs.", samples: [[{ version }, 1]] },
    gauge("slum_tenants", "Tenants in the registry.", tenants),
    gauge("slum_tenants_unroutable", "Tenants that no server takes requests of.", unroutable_total),
    gauge("slum_registry_ok", "Whether the registry can be used.", Number(registry.ok)),
    gauge(
      "slum_registry_age_seconds",
      "Since what routing knows was last seen to be what the registry says.",
      registry.age_secs,
    ),
    gauge("slum_registry_slums", "Slums that work with this registry, this one included.", registry.slums),
    gauge("slum_snapshot_age_seconds", "Since the snapshot was written.", registry.snapshot_age_secs),
    gauge("slum_webhooks_waiting", "Messages in the outbox.", webhooks.waiting),
    each("gauge", "slum_server_up", "Whether a server is online (unknown counts).", ({ status }) =>
      Number(status !== "offline"),
    ),
    each(
      "counter",
      "slum_server_requests_total",
      "Requests that were sent to a server.",
      (server) => server.requests,
    ),
    each("counter", "slum_server_failures_total", "Tries that gave no answer.", (server) => server.failures),
    ownAnswersMetric(history, new Set(servers.map(({ id }) => id))),
    each("gauge", "slum_server_in_flight", "Requests under way to a server.", (server) => server.in_flight),
    each("gauge", "slum_server_latency_seconds", "Smoothed time of a health check.", ({ latency_ms: ms }) =>
      ms === null ? Number.NaN : ms / 1000,
    ),
    ...certificateMetrics("slum", certificates),
  ]);
}
