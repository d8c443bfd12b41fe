// From a Host header to the tenant and its servers: an index that changes one tenant at a time, at the cost of one.
import type { Field } from "../core/header.ts";
import { canonicalHost, isIpLiteral } from "../core/host.ts";
import { instanceName } from "../core/name.ts";
import type { Target } from "../core/route.ts";
import type { Clock } from "../platform/clock.ts";
import type { Resolver } from "../platform/resolver.ts";
import type { Journey, Stop } from "../proxy/relay.ts";
import type { Whereto } from "../proxy/relay-plane.ts";
import { type Choice, choose, isOnline, isRoutable, type Preference, turnOf } from "./candidates.ts";
import type { Server, Servers } from "./fleet.ts";
import type { TenantRow } from "./registry.ts";
import { addressOf } from "./server-url.ts";

export interface RoutesParts {
  readonly fleet: Servers;
  readonly resolver: Resolver;
  readonly clock: Clock;
  /** Hosts of slum itself besides IP addresses, canonical. */
  readonly ownHosts: ReadonlySet<string>;
  readonly ca: string | undefined;
}

export interface Routes {
  set(row: TenantRow): void;
  remove(row: TenantRow): void;
  /** Replaces all tenants. */
  load(rows: Iterable<TenantRow>): void;
  /** Whose a Host header is. */
  find(host: string | undefined): Whereto;
  /** The tenant that has this very domain, or a wildcard that covers it. */
  tenant(domain: string): Tenant | undefined;
  /** Tenants that no server would take a request of. */
  unroutable(): string[];
}

/** How long a server that had no app for a tenant is passed over for it. */
const PASS_OVER_MS = 10_000;
/** What a tenement is told by a field, lower case. */
export const SELECTOR = "x-tenement-instance";

export function createRoutes(parts: RoutesParts): Routes {
  const { fleet, ownHosts } = parts;
  const exact = new Map<string, Tenant>();
  /** By the part after `*`: `.acme.com`. */
  const wildcards = new Map<string, Tenant>();

  function tenant(host: string): Tenant | undefined {
    return (
      exact.get(host) ?? (wildcards.size === 0 ? undefined : wildcards.get(host.slice(host.indexOf("."))))
    );
  }

  function set(row: TenantRow): void {
    const route = new Tenant(row, parts);
    if (row.domain.startsWith("*.")) wildcards.set(row.domain.slice(1), route);
    else exact.set(row.domain, route);
  }

  return {
    set,
    remove({ domain }) {
      if (domain.startsWith("*.")) wildcards.delete(domain.slice(1));
      else exact.delete(domain);
    },
    load(rows) {
      exact.clear();
      wildcards.clear();
      for (const row of rows) set(row);
    },
    find(host) {
      if (host === undefined) return "bad_host";
      const known = ownHosts.has(host) ? undefined : exact.get(host);
      if (known !== undefined) return known;
      const canonical = canonicalHost(host);
      if (canonical === undefined) return "bad_host";
      if (ownHosts.has(canonical) || isIpLiteral(canonical)) return "own";
      return tenant(canonical) ?? "unknown";
    },
    tenant: (domain) => exact.get(domain) ?? wildcards.get(domain.replace(/^\*(?=\.)/, "")) ?? tenant(domain),
    unroutable() {
      if (fleet.byLatency.every((server) => isOnline(server) && !server.drained)) return [];
      const found: string[] = [];
      const isAnyOnline = fleet.byLatency.some((server) => isOnline(server) && !server.drained);
      for (const index of [exact, wildcards])
        for (const { row, preference } of index.values()) {
          // Who may go anywhere is unroutable only when there is nowhere to go.
          const routable = preference.failover === undefined ? isAnyOnline : isRoutable(preference, fleet);
          if (!routable) found.push(row.id);
        }
      return found;
    },
  };
}

/** One tenant's way to its servers. */
export class Tenant implements Journey {
  readonly row: TenantRow;
  readonly preference: Preference;
  readonly #parts: RoutesParts;
  /** `api` or `api:prod`. */
  readonly #name: string;
  #passedOver: Map<string, number> | undefined;
  /** The last stop, as long as its server and address are the same. */
  #stop: { readonly server: Server; readonly address: string | undefined; readonly stop: Stop } | undefined;

  constructor(row: TenantRow, parts: RoutesParts) {
    this.row = row;
    this.#parts = parts;
    this.#name = row.instance === null ? row.service : instanceName(row.service, row.instance);
    this.preference = { home: row.server, failover: row.failover ?? undefined, turn: turnOf(row.id) };
  }

  next(avoided: ReadonlySet<string>, isSafe: boolean): Stop | undefined {
    const choice = this.choose(avoided, isSafe);
    const server = choice && this.#parts.fleet.find(choice.candidate.id);
    return server && this.#stopAt(server);
  }

  /** The home server, whatever its health; undefined when there is none. */
  homeStop(): Stop | undefined {
    const home = this.#parts.fleet.find(this.preference.home);
    return home && this.#stopAt(home);
  }

  onRefusal(targetId: string): void {
    this.#passedOver ??= new Map();
    this.#passedOver.set(targetId, this.#parts.clock.monotonic() + PASS_OVER_MS);
  }

  /** The server for a request now: one whose address is known, as no request waits for DNS. */
  choose(avoided: ReadonlySet<string>, isSafe: boolean): Choice | undefined {
    let unusable = avoided;
    for (;;) {
      const choice = this.#chooseAny(unusable, isSafe);
      const server = choice && this.#parts.fleet.find(choice.candidate.id);
      if (!server || this.#parts.resolver.address(server.url.host) !== undefined) return choice;
      unusable = new Set([...unusable, server.id]);
    }
  }

  /** One that is passed over is still better than none. */
  #chooseAny(avoided: ReadonlySet<string>, isSafe: boolean): Choice | undefined {
    const { fleet, clock } = this.#parts;
    const nowMs = clock.monotonic();
    if (!isSafe && this.row.writes === "home") return this.#chooseHome(avoided, nowMs);
    const isAvoided = (id: string) => avoided.has(id);
    if (!this.isPassingOver(nowMs)) return choose(this.preference, fleet, nowMs, isAvoided);
    const isPassed = (id: string) => avoided.has(id) || (this.#passedOver?.get(id) ?? 0) > nowMs;
    const choice = choose(this.preference, fleet, nowMs, isPassed);
    return choice && choice.reason !== "fail_open"
      ? choice
      : choose(this.preference, fleet, nowMs, isAvoided);
  }

  isPassingOver(nowMs: number): boolean {
    if (this.#passedOver === undefined) return false;
    for (const [id, untilMs] of this.#passedOver) if (untilMs <= nowMs) this.#passedOver.delete(id);
    if (this.#passedOver.size === 0) this.#passedOver = undefined;
    return this.#passedOver !== undefined;
  }

  /** The ids of servers passed over right now. */
  passedOver(nowMs: number): readonly string[] {
    return this.isPassingOver(nowMs) ? [...(this.#passedOver?.keys() ?? [])] : [];
  }

  /** Writes stay at home; a home that is down while others serve is not even tried, as it could take a write and hang. */
  #chooseHome(avoided: ReadonlySet<string>, nowMs: number): Choice | undefined {
    const { fleet } = this.#parts;
    const isAvoided = (id: string) => avoided.has(id);
    const home = choose({ ...this.preference, failover: [] }, fleet, nowMs, isAvoided);
    if (home?.reason !== "fail_open") return home;
    return isRoutable({ ...this.preference, failover: undefined }, fleet) ? undefined : home;
  }

  #stopAt(server: Server): Stop {
    const address = this.#parts.resolver.address(server.url.host);
    if (this.#stop?.server !== server || this.#stop.address !== address)
      this.#stop = { server, address, stop: this.#makeStop(server) };
    return this.#stop.stop;
  }

  #makeStop(server: Server): Stop {
    const { url, row } = server;
    const target = targetOf(server, this.#parts);
    if (row.addressing === "header")
      return {
        target,
        fields: [
          ["host", url.hostHeader],
          [SELECTOR, this.#name],
        ],
      };
    const { service, instance } = this.row;
    const label = instance === null ? service : `${instance}.${service}`;
    return { target, fields: [["host", `${label}.${url.hostHeader}`]] };
  }
}

/** A server as the proxy knows it; a name without an address yet fails as `unresolved`. */
export function targetOf(
  { id, url }: Server,
  { resolver, ca }: Pick<RoutesParts, "resolver" | "ca">,
): Target {
  return { id, label: id, address: addressOf(url, resolver, ca), weight: 0, readiness: "ready" };
}

/** What every stop sets, so that a visitor's own never reaches a tenement. */
export const OVERWRITTEN: ReadonlySet<string> = new Set<Field[0]>(["host", SELECTOR]);
