// What commands do to tenants: each change is one transaction, and in force when it has returned.

import { isNear, nearest } from "../../core/did-you-mean.ts";
import { Fault } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Upstream } from "../../proxy/http-client.ts";
import { objectionTo } from "../fleet/ask-tenement.ts";
import type { Routes } from "../fleet/routes.ts";
import { refuseOwnHost } from "../fleet/tenant-domain.ts";
import type { Registry } from "../registry/registry.ts";
import type { TenantRow } from "../registry/schema.ts";
import type { ServerControl } from "./servers.ts";

export interface NewTenant {
  readonly id: string;
  readonly domain: string;
  readonly server: string;
  readonly service: string;
  readonly instance: string | undefined;
  /** Undefined: all other servers. */
  readonly failover: readonly string[] | undefined;
  readonly writes: "home" | "any";
}

export interface TenantChange {
  readonly row: TenantRow;
  readonly warnings: readonly string[];
}

export interface TenantControl {
  get(id: string): TenantRow;
  add(tenant: NewTenant): Promise<TenantChange>;
  remove(id: string): Promise<void>;
  move(id: string, server: string): Promise<TenantChange>;
}

export interface TenantControlParts {
  readonly registry: Registry;
  readonly servers: ServerControl;
  readonly routes: Routes;
  readonly upstream: Upstream;
  readonly ownHosts: ReadonlySet<string>;
  readonly clock: Clock;
}

export function createTenantControl(parts: TenantControlParts): TenantControl {
  const { registry, servers, routes } = parts;

  function get(id: string): TenantRow {
    const row = registry.tenants.get(id);
    if (row) return row;
    const near = nearest(id, [...registry.tenants.keys()].slice(0, 10_000));
    throw new Fault(
      "not_found",
      `there is no tenant ${quote(id)}`,
      near !== undefined && isNear(id, near) ? `did you mean ${near}?` : "see slum tenant list",
    );
  }

  function refuse({ id, domain, server, failover }: NewTenant): void {
    refuseOwnHost(domain, parts.ownHosts);
    servers.get(server);
    for (const [index, other] of (failover ?? []).entries()) {
      servers.get(other);
      if (other === server)
        throw new Fault("usage", `${server} is the home server`, "leave it out of --failover");
      if (failover?.indexOf(other) !== index)
        throw new Fault("usage", `${other} is in --failover twice`, "name each server once");
    }
    const known = registry.tenants.get(id);
    if (known)
      throw new Fault(
        "conflict",
        `there is a tenant ${id} already, ${known.domain} on ${known.server}`,
        `to change its server: slum tenant move ${id} SERVER; else first: slum tenant delete ${id}`,
      );
    const owner = routes.tenant(domain)?.row;
    if (owner?.domain === domain)
      throw new Fault("conflict", `${domain} belongs to tenant ${owner.id}`, "one domain has one tenant");
  }

  /** What the person ought to know about the tenant's home server. */
  async function warningsOf(row: TenantRow): Promise<string[]> {
    const home = routes.tenant(row.domain)?.homeCandidate();
    if (!home) return [];
    const { healthPath, drained } = servers.get(row.server);
    const objection = await objectionTo(parts, row, healthPath, home, () => servers.heedsUs(row.server));
    return [
      ...(drained ? [`${row.server} is drained and takes no requests`] : []),
      ...(objection ? [objection] : []),
    ];
  }

  return {
    get,
    async add(tenant) {
      refuse(tenant);
      const row = await registry.write((writer) => {
        refuse(tenant);
        const { instance = null, failover = null, ...more } = tenant;
        const about = { server: tenant.server, tenant: tenant.id };
        writer.event("tenant.added", about, `${tenant.domain} on ${tenant.server}`);
        return writer.tenants.add({ ...more, instance, failover, createdAt: parts.clock.now() });
      });
      return { row, warnings: await warningsOf(row) };
    },
    async remove(id) {
      await registry.write((writer) => {
        const row = get(id);
        writer.event("tenant.deleted", { server: row.server, tenant: id }, row.domain);
        writer.tenants.remove(row);
      });
    },
    async move(id, server) {
      const hasMoved = await registry.write((writer) => {
        const before = get(id);
        servers.get(server);
        if (before.server === server) return false;
        // The new home is no failover any more; the old one takes its place there.
        const failover = before.failover?.map((other) => (other === server ? before.server : other)) ?? null;
        writer.event("tenant.moved", { server, tenant: id }, `from ${before.server} to ${server}`);
        writer.tenants.change(before, { server, failover });
        return true;
      });
      const row = get(id);
      return { row, warnings: hasMoved ? await warningsOf(row) : [] };
    },
  };
}
