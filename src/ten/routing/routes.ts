// From what is registered and what is alive to the routes that the proxy uses: pure, and the only way a route comes to be.
import { instanceName } from "../../core/name.ts";
import { usable } from "../../core/round-robin.ts";
import type {
  Address,
  Hundredths,
  Link,
  Probe,
  Readiness,
  Route,
  RoutePolicy,
  Shadow,
  Target,
  Trial,
} from "../../core/route.ts";
import { scale, sum } from "../../core/weight.ts";
import { addressOf } from "../config/service.ts";
import type { InstanceRow } from "../registry/registry.ts";

/** What a supervisor knows of an instance that its row does not say. */
export interface Life {
  /** Adopted after a restart of the server and not yet checked: it counts as healthy until a check says otherwise. */
  readonly unchecked: boolean;
  /** It answers no request, and one is let through to see whether it does by now. */
  readonly probe?: Probe | undefined;
  /** Started from sleep and not healthy yet: it keeps its part of the split, and requests wait for it. */
  readonly waking: boolean;
  /** Milliseconds until the next start is tried, while it has no process. */
  readonly nextTryMs: number | undefined;
  /** The process that its port belongs to, where nobody tells us at once that it has ended. */
  readonly holder?: Address["holder"];
}

/** What the configuration says of a service's traffic. */
export interface ServiceTraffic {
  readonly name: string;
  readonly domains: readonly string[];
  readonly policy: RoutePolicy;
  readonly health: { readonly path: string | undefined };
  readonly drainTimeoutMs: number;
  readonly stopGraceMs: number;
  /** False: nobody can be sent to it. */
  readonly hasPort?: boolean;
  /** What a canary fails is answered by the version before it; undefined: it is not. */
  readonly rescue?: { readonly on500: boolean } | undefined;
}

/** Both by id. */
export interface Judged {
  readonly instances: Readonly<Record<string, unknown>>;
  readonly before: Readonly<Record<string, unknown>>;
}

/** Requests that are copied to a version. */
export interface Copies extends Omit<Shadow, "from" | "to"> {
  readonly to: string;
}

export interface RoutesInput {
  /** The server's own domain, in canonical form. */
  readonly domain: string;
  readonly services: readonly ServiceTraffic[];
  readonly rows: readonly InstanceRow[];
  lifeOf(row: InstanceRow): Life | undefined;
  epochOf(service: string): number;
  /** The services under maintenance. */
  readonly maintenance: Pick<ReadonlySet<string>, "has">;
  /** The services with a version that is judged, each with the instances of it and of what it is judged by. */
  readonly judged: Pick<ReadonlyMap<string, Judged>, "get">;
  /** By service; undefined: none are copied. */
  copiesOf(service: string): Copies | undefined;
  /** The links in force, by service. */
  readonly links: Pick<ReadonlyMap<string, readonly Link[]>, "get">;
}

export function toRoutes(input: RoutesInput): Route[] {
  const byService = Map.groupBy(input.rows, (row) => row.service);
  return input.services
    .filter((service) => service.hasPort !== false)
    .map((service) => {
      const rows = byService.get(service.name) ?? [];
      const targets = targetsOf(rows, service.policy, input);
      const epoch = input.epochOf(service.name);
      const judged = input.judged.get(service.name);
      return {
        name: service.name,
        hosts: [`${service.name}.${input.domain}`, ...service.domains],
        targets,
        epoch,
        maintenance: input.maintenance.has(service.name) ? { openPath: service.health.path } : undefined,
        links: input.links.get(service.name),
        trial: judged && trialOf(epoch, targets, judged, service.rescue),
        shadow: shadowOf(rows, input.copiesOf(service.name)),
        policy: policyOf(service, rows, input.domain),
      };
    });
}

/** While one that is to start again is being ended, who waits for it has that time besides. */
function policyOf(service: ServiceTraffic, rows: readonly InstanceRow[], domain: string): RoutePolicy {
  const { policy, drainTimeoutMs, stopGraceMs } = service;
  const isEnding = rows.some(({ state, desired }) => state === "draining" && desired === "running");
  const waitMs = isEnding ? policy.waitMs + drainTimeoutMs + stopGraceMs : policy.waitMs;
  // What ends in localhost only this machine can ask for.
  const isHere = domain === "localhost" || domain.endsWith(".localhost");
  return { ...policy, waitMs, direct: policy.direct === "preview" && isHere ? "open" : policy.direct };
}

/** Who shares the traffic, and how: whenever that changes, what follows is counted apart. */
function trialOf(
  epoch: number,
  targets: readonly Target[],
  { instances, before }: Judged,
  rescue: ServiceTraffic["rescue"],
): Trial {
  const sharing = usable({ targets }).map(({ label, weight }) => `${label}=${weight}`);
  const split = `${epoch} ${sharing.join(" ")}`;
  if (rescue === undefined) return { split };
  return { split, rescue: { ...rescue, from: Object.keys(instances), to: Object.keys(before) } };
}

/** One copy goes to the version, one to those that take the traffic beside it. */
function shadowOf(rows: readonly InstanceRow[], copies: Copies | undefined): Shadow | undefined {
  if (copies === undefined) return undefined;
  const { to: version, ...rest } = copies;
  const labels = (isMeant: (row: InstanceRow) => boolean) => rows.filter(isMeant).map(({ id }) => id);
  const to = labels((row) => row.version === version);
  const from = labels((row) => row.version !== version && row.weight > 0);
  return to.length === 0 || from.length === 0 ? undefined : { ...rest, from, to };
}

function targetsOf(rows: readonly InstanceRow[], policy: RoutePolicy, { lifeOf }: RoutesInput): Target[] {
  const targets = rows.map((row) => {
    const life = lifeOf(row);
    const { holder } = life ?? {};
    return {
      id: instanceName(row.service, row.id),
      label: row.id,
      version: row.version,
      address: { host: addressOf(row.release), port: row.port ?? 0, ...(holder && { holder }) },
      weight: row.weight,
      readiness: readinessOf(row, life, policy.waitMs),
      probe: life?.probe,
    };
  });
  const versions = Map.groupBy(targets.keys(), (place) => rows[place]?.version);
  for (const places of versions.values()) shareAmongReady(places.flatMap((place) => targets[place] ?? []));
  return targets;
}

/** A version's weight is divided among those of its instances that serve, in proportion to their own. */
function shareAmongReady(
  targets: readonly { weight: Hundredths; readonly id: string; readonly readiness: Readiness }[],
): void {
  const weighted = targets.filter(({ weight }) => weight > 0);
  const serving = weighted.filter(({ readiness }) => readiness === "ready" || readiness === "asleep");
  if (serving.length === 0 || serving.length === weighted.length) return;
  const total = sum(weighted.map(({ weight }) => weight));
  const parts = scale(new Map(serving.map(({ id, weight }) => [id, weight])), total);
  for (const target of serving) target.weight = parts.get(target.id) ?? target.weight;
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
