// What somebody may write into the registry: asked where it is written, so that no way leads around it.
import { type Principal, requireService } from "../../api/principal.ts";
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";

/** What of an instance a change is about. */
interface Row {
  readonly service: string;
  readonly id: string;
  readonly version: string;
}

/** Throws `forbidden` when the instances of that service are not the principal's to change, or this one is not. */
export function requireInstance(principal: Principal, { service, id }: Omit<Row, "version">): void {
  requireService(principal, service);
  if (principal.scope === "read") throw new Fault("forbidden", `${principal.name} may only look`);
  if (principal.scope !== "tenant" || principal.tenant === id) return;
  throw new Fault("forbidden", `${instanceName(service, id)} is not ${principal.name}'s`);
}

/** A tenant gets a new instance only of a service that its token names, and of the version that its id is. */
export function requireNew(principal: Principal, row: Row): void {
  requireInstance(principal, row);
  if (principal.scope !== "tenant") return;
  if (principal.services === undefined)
    throw new Fault(
      "forbidden",
      `${principal.name} may start only what there is: its token names no service`,
      "an admin starts the instance once, or makes a token with --service",
    );
  requireVersion(principal, row, row.id);
}

/** Which version runs is for who releases, not for a tenant. */
export function requireVersion(principal: Principal, { service, id, version }: Row, now: string): void {
  if (principal.scope !== "tenant" || version === now) return;
  throw new Fault(
    "forbidden",
    `${instanceName(service, id)} is of version ${now}, and ${principal.name} may not change that`,
  );
}

/** A tenant takes its own instance out of traffic, and nobody's part of it grows by its word. */
export function requireWeight(
  principal: Principal,
  row: Omit<Row, "version">,
  before: number,
  after: number,
): void {
  if (before === after) return;
  requireInstance(principal, row);
  if (principal.scope !== "tenant" || after === 0) return;
  throw new Fault("forbidden", `${principal.name} may not give ${instanceName(row.service, row.id)} traffic`);
}

/** What is of a service as a whole is no tenant's. */
export function requireWholeService(principal: Principal, service: string): void {
  requireService(principal, service);
  if (principal.scope === "deploy" || principal.scope === "admin") return;
  throw new Fault("forbidden", `${principal.name} (${principal.scope}) may not change ${service}`);
}
