// Going back to a version by its name: to instances of it, stopped ones too, or to its build that was kept.
import { Fault } from "../../core/fault.ts";
import type { Context } from "./context.ts";
import type { Deploys } from "./deploy.ts";
import { findShipped } from "./shipped.ts";
import type { Traffic, TrafficChange } from "./traffic.ts";

interface RollbackParts {
  readonly traffic: Traffic;
  readonly deploys: Deploys;
  readonly registry: Context["registry"];
}

const QUEUE_MS = 3_600_000;

/** All traffic to that version. One without instances is started anew from its build, as it is configured now. */
export function rollbackTo(
  { traffic, deploys, registry }: RollbackParts,
  service: string,
  version: string,
  signal: AbortSignal,
): Promise<TrafficChange> {
  if (hasInstances(registry, service, version))
    return traffic.rollback(service, { last: false, to: version, signal });
  requireKept(registry, service, version);
  const request = {
    service,
    id: version,
    version,
    queueMs: QUEUE_MS,
    promote: true,
    stopOld: false,
    replace: false,
  };
  const open = {
    weight: undefined,
    timeoutMs: undefined,
    instances: undefined,
    ifCurrent: undefined,
    canary: undefined,
  };
  return deploys.deploy({ ...request, ...open }, () => {}, signal);
}

/** What that would do now; undefined weights: an instance would be made. */
export function foreseeRollbackTo({ traffic, registry }: RollbackParts, service: string, version: string) {
  if (hasInstances(registry, service, version))
    return traffic.foreseeRollback(service, { last: false, to: version });
  requireKept(registry, service, version);
  return {
    message: `would start ${version} of ${service} from its build that was kept, and give it all traffic`,
    weights: undefined,
  };
}

function hasInstances(registry: Context["registry"], service: string, version: string): boolean {
  return registry.list(service).some((row) => row.version === version);
}

function requireKept(registry: Context["registry"], service: string, version: string): void {
  if (findShipped(registry, service, version)) return;
  const versions = [
    ...registry.list(service).map((row) => row.version),
    ...registry.shipped(service).map((row) => row.version),
  ];
  throw new Fault(
    "not_found",
    `${service} has no ${version}: neither an instance nor a build of it is kept`,
    versions.length > 0 ? `there is ${[...new Set(versions)].join(", ")}` : undefined,
  );
}
