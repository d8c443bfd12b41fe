// The metrics of a slum, in the text format of Prometheus.
import type { View } from "./view.ts";

/** One page; names are stable. */
export function metricsPage(view: View, version: string): string {
  const { servers, tenants, unroutable_total, registry, webhooks } = view.status();
  const lines = [
    ...metric("slum_info", "gauge", "The version that runs.", [[{ version }, 1]]),
    ...metric("slum_tenants", "gauge", "Tenants in the registry.", [[{}, tenants]]),
    ...metric("slum_tenants_unroutable", "gauge", "Tenants that no server takes requests of.", [
      [{}, unroutable_total],
    ]),
    ...metric("slum_registry_ok", "gauge", "Whether the registry can be used.", [[{}, Number(registry.ok)]]),
    ...metric(
      "slum_registry_age_seconds",
      "gauge",
      "Since what routing knows was last seen to be what the registry says.",
      [[{}, registry.age_secs ?? Number.NaN]],
    ),
    ...metric("slum_registry_slums", "gauge", "Slums that work with this registry, this one included.", [
      [{}, registry.slums],
    ]),
    ...metric("slum_snapshot_age_seconds", "gauge", "Since the snapshot was written.", [
      [{}, registry.snapshot_age_secs ?? Number.NaN],
    ]),
    ...metric("slum_webhooks_waiting", "gauge", "Messages in the outbox.", [[{}, webhooks.waiting]]),
    ...metric(
      "slum_server_up",
      "gauge",
      "Whether a server is online (unknown counts).",
      servers.map(({ id, status }) => [{ server: id }, Number(status !== "offline")]),
    ),
    ...metric(
      "slum_server_requests_total",
      "counter",
      "Requests that were sent to a server.",
      servers.map(({ id, requests }) => [{ server: id }, requests]),
    ),
    ...metric(
      "slum_server_failures_total",
      "counter",
      "Tries that gave no answer.",
      servers.map(({ id, failures }) => [{ server: id }, failures]),
    ),
    ...metric(
      "slum_server_in_flight",
      "gauge",
      "Requests under way to a server.",
      servers.map(({ id, in_flight }) => [{ server: id }, in_flight]),
    ),
    ...metric(
      "slum_server_latency_seconds",
      "gauge",
      "Smoothed time of a health check.",
      servers.map(({ id, latency_ms }) => [
        { server: id },
        latency_ms === null ? Number.NaN : latency_ms / 1000,
      ]),
    ),
  ];
  return `${lines.join("\n")}\n`;
}

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

function metric(name: string, type: string, help: string, samples: readonly Sample[]): string[] {
  const lines = samples.map(([labels, value]) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}=${JSON.stringify(text)}`);
    return `${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}`;
  });
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines];
}
