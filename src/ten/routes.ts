// From what is registered and what is alive to the routes that the proxy uses: pure, and the only way a route comes to be.
import { instanceName } from "../core/name.ts";
import type { Readiness, Route, RoutePolicy, Target } from "../core/route.ts";
import type { InstanceRow } from "./registry.ts";

/** What a supervisor knows of an instance that its row does not say. */
export interface Life {
  /** Adopted after a restart of the server and not yet checked: it counts as healthy until a check says otherwise. */
  readonly unchecked: boolean;
  /** Started from sleep and not healthy yet: it keeps its part of the split, and requests wait for it. */
  readonly waking: boolean;
  /** Milliseconds until the next start is tried, while it has no process. */
  readonly nextTryMs: number | undefined;
}

/** What the configuration says of a service's traffic. */
export interface ServiceTraffic {
  readonly name: string;
  readonly domains: readonly string[];
  readonly policy: RoutePolicy;
}

export interface RoutesInput {
  /** The server's own domain, in canonical form. */
  readonly domain: string;
  readonly services: readonly ServiceTraffic[];
  readonly rows: readonly InstanceRow[];
  lifeOf(row: InstanceRow): Life | undefined;
  epochOf(service: string): number;
}

export function toRoutes(input: RoutesInput): Route[] {
  const byService = Map.groupBy(input.rows, (row) => row.service);
  return input.services.map((service) => ({
    name: service.name,
    hosts: [`${service.name}.${input.domain}`, ...service.domains],
    targets: (byService.get(service.name) ?? []).map((row) =>
      toTarget(row, input.lifeOf(row), service.policy),
    ),
    epoch: input.epochOf(service.name),
    policy: service.policy,
  }));
}

function toTarget(row: InstanceRow, life: Life | undefined, policy: RoutePolicy): Target {
  return {
    id: instanceName(row.service, row.id),
    label: row.id,
    address: { host: "127.0.0.1", port: row.port ?? 0 },
    weight: row.weight,
    readiness: readinessOf(row, life, policy.waitMs),
  };
}

/** Waiting for an instance is worth it when its next start is tried within the time that a request may wait. */
export function readinessOf(row: InstanceRow, life: Life | undefined, waitMs: number): Readiness {
  if (row.desired === "stopped") return "out";
  switch (row.state) {
    case "healthy":
      return "ready";
    case "unhealthy":
      return life?.unchecked ? "ready" : "unsure";
    case "sleeping": // After a failed wake the next request may try again when the backoff is over.
      return life?.nextTryMs === undefined ? "asleep" : "out";
    case "draining": // It should run, so it drains for a restart: requests wait for it.
      return "coming";
    case "starting":
      if (life?.waking) return "asleep";
      return life?.nextTryMs === undefined || life.nextTryMs <= waitMs ? "coming" : "out";
    case "stopped":
    case "failed":
      return "out";
  }
}
