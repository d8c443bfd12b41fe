// The route index: from a Host header to a tenant and its servers, updated one tenant at a time.
import { canonicalHost, isIpLiteral } from "../../core/host.ts";
import { type Field, mapAnswerFields } from "../../core/host-mapping.ts";
import { instanceName } from "../../core/name.ts";
import type { Target } from "../../core/route.ts";
import type { Resolver } from "../../platform/net/resolver.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Candidate, Candidates } from "../../proxy/failover/failover.ts";
import type { HostOwner } from "../../proxy/failover/failover-plane.ts";
import type { TenantRow } from "../registry/schema.ts";
import {
  type Choice,
  choose,
  type Fleet,
  isOnline,
  isRoutable,
  type Preference,
  turnOf,
} from "./choose-server.ts";
import type { Servers } from "./fleet.ts";
import { PassedOver } from "./passed-over.ts";
import type { Server } from "./server.ts";
import { addressOf } from "./server-url.ts";

export interface RoutesParts {
  readonly fleet: Servers;
  readonly resolver: Resolver;
  readonly clock: Clock;
  /** Hosts of slum itself besides IP addresses, canonical. */
  readonly ownHosts: ReadonlySet<string>;
  readonly ca: string | undefined;
}

interface TenantParts extends RoutesParts {
  readonly dialled: (server: Server) => DialledServer;
  readonly passedOver: PassedOver;
}

export interface Routes {
  set(row: TenantRow): void;
  remove(row: TenantRow): void;
  /** Replaces all tenants. */
  load(rows: Iterable<TenantRow>): void;
  /** Whose a Host header is. */
  find(host: string | undefined): HostOwner;
  /** The tenant that has this very domain, or a wildcard that covers it. */
  tenant(domain: string): Tenant | undefined;
  /** How many tenants have their home there. */
  tenantsAt(server: string): number;
  /** Tenants that no server would take a request of; with a fleet other than its own: as that one sees it. */
  unroutable(view?: Fleet): string[];
}

/** The request field that names service or instance to a tenement, lower case. */
export const SELECTOR = "x-tenement-instance";

/** In place of a wildcard, where a question needs one host. */
const ANY = "any";

export function createRoutes(parts: RoutesParts): Routes {
  const { fleet, ownHosts } = parts;
  const shared = { ...parts, dialled: createDialled(parts), passedOver: new PassedOver(parts.clock) };
  const exact = new Map<string, TenantRow>();
  /** By the part after `*`: `.acme.com`. */
  const wildcards = new Map<string, TenantRow>();
  /** Tenants by home server: counted as they come and go, as there may be a hundred thousand. */
  const homes = new Map<string, number>();

  const tenantOf = (row: TenantRow | undefined, host = row?.domain.replace("*", ANY)) =>
    row && new Tenant(row, shared, host ?? row.domain);

  /** The row of a canonical host. */
  function rowOf(host: string): TenantRow | undefined {
    return (
      exact.get(host) ?? (wildcards.size === 0 ? undefined : wildcards.get(host.slice(host.indexOf("."))))
    );
  }

  function grow({ server }: TenantRow, by: 1 | -1): void {
    homes.set(server, (homes.get(server) ?? 0) + by);
  }

  function placeOf({ domain }: TenantRow): [index: Map<string, TenantRow>, key: string] {
    return domain.startsWith("*.") ? [wildcards, domain.slice(1)] : [exact, domain];
  }

  function remove(row: TenantRow): void {
    const [index, key] = placeOf(row);
    const known = index.get(key);
    if (known === undefined) return;
    index.delete(key);
    grow(known, -1);
  }

  function set(row: TenantRow): void {
    remove(row);
    const [index, key] = placeOf(row);
    index.set(key, row);
    grow(row, 1);
  }

  return {
    set,
    remove,
    load(rows) {
      for (const index of [exact, wildcards, homes]) index.clear();
      for (const row of rows) set(row);
    },
    find(host) {
      if (host === undefined) return "bad_host";
      const known = ownHosts.has(host) ? undefined : exact.get(host);
      if (known !== undefined) return new Tenant(known, shared, host);
      const canonical = canonicalHost(host);
      if (canonical === undefined) return "bad_host";
      if (ownHosts.has(canonical) || isIpLiteral(canonical)) return "own";
      return tenantOf(rowOf(canonical), host) ?? "unknown";
    },
    tenant: (domain) =>
      tenantOf(exact.get(domain) ?? wildcards.get(domain.replace(/^\*(?=\.)/, "")) ?? rowOf(domain)),
    unroutable(view = fleet) {
      if (view.byLatency.every((server) => isOnline(server) && !server.drained)) return [];
      const found: string[] = [];
      // Asked once for each choice of servers: a hundred thousand tenants share a few.
      const lists = new Map<readonly string[] | null, Map<string, boolean>>();
      for (const index of [exact, wildcards])
        for (const { id, server: home, failover } of index.values()) {
          const known = lists.get(failover) ?? new Map<string, boolean>();
          lists.set(failover, known);
          const isSo =
            known.get(home) ?? isRoutable({ home, failover: failover ?? undefined, turn: 0 }, view);
          known.set(home, isSo);
          if (!isSo) found.push(id);
        }
      return found;
    },
    tenantsAt: (server) => homes.get(server) ?? 0,
  };
}

/** One tenant's choice of servers: made for each request, as there may be a hundred thousand tenants. */
export class Tenant implements Candidates, Preference {
  readonly row: TenantRow;
  readonly #parts: TenantParts;
  /** As the visitor has sent it. */
  readonly #host: string;

  constructor(row: TenantRow, parts: TenantParts, host: string) {
    this.row = row;
    this.#parts = parts;
    this.#host = host;
  }

  get name(): string {
    return this.row.id;
  }

  get home(): string {
    return this.row.server;
  }

  get failover(): readonly string[] | undefined {
    return this.row.failover ?? undefined;
  }

  get turn(): number {
    return turnOf(this.row.id);
  }

  next(avoided: ReadonlySet<string>, isSafe: boolean): Candidate | undefined {
    const choice = this.choose(avoided, isSafe);
    const server = choice && this.#parts.fleet.find(choice.server.id);
    return server && this.#candidateAt(server);
  }

  /** The home server, whatever its health; undefined when there is none. */
  homeCandidate(): Candidate | undefined {
    const home = this.#parts.fleet.find(this.home);
    return home && this.#candidateAt(home);
  }

  onRefusal(targetId: string): void {
    this.#parts.passedOver.add(this.row.id, targetId);
  }

  /** The server for a request now: one whose address is known, as no request waits for DNS. */
  choose(avoided: ReadonlySet<string>, isSafe: boolean): Choice | undefined {
    let unusable = avoided;
    for (;;) {
      const choice = this.#chooseAny(unusable, isSafe);
      const server = choice && this.#parts.fleet.find(choice.server.id);
      if (!server || this.#parts.resolver.address(server.url.host) !== undefined) return choice;
      unusable = new Set([...unusable, server.id]);
    }
  }

  /** One that is passed over is still better than none. */
  #chooseAny(avoided: ReadonlySet<string>, isSafe: boolean): Choice | undefined {
    const { fleet, clock, passedOver } = this.#parts;
    const nowMs = clock.monotonic();
    if (!isSafe && this.row.writes === "home") return this.#chooseHome(avoided, nowMs);
    const isAvoided = (id: string) => avoided.has(id);
    if (passedOver.isEmpty) return choose(this, fleet, nowMs, isAvoided);
    const isPassed = (id: string) => avoided.has(id) || this.isPassingOver(id);
    const choice = choose(this, fleet, nowMs, isPassed);
    return choice && choice.reason !== "fail_open" ? choice : choose(this, fleet, nowMs, isAvoided);
  }

  /** Whether that server had no app for this tenant a moment ago. */
  isPassingOver(serverId: string): boolean {
    return this.#parts.passedOver.has(this.row.id, serverId);
  }

  /** Writes stay at home; a home that is down while others serve is not even tried, as it could take a write and hang. */
  #chooseHome(avoided: ReadonlySet<string>, nowMs: number): Choice | undefined {
    const { fleet } = this.#parts;
    const { home, turn } = this;
    const isAvoided = (id: string) => avoided.has(id);
    const choice = choose({ home, turn, failover: [] }, fleet, nowMs, isAvoided);
    if (choice?.reason !== "fail_open") return choice;
    return isRoutable({ home, turn, failover: undefined }, fleet) ? undefined : choice;
  }

  /** The server as the data plane takes it, with the fields that say what it is to serve. */
  #candidateAt(server: Server): Candidate {
    const { service, instance } = this.row;
    const { target, host } = this.#parts.dialled(server);
    const isHome = server.id === this.home;
    if (server.row.addressing === "host") {
      const label = instance === null ? service : `${instance}.${service}`;
      return this.#renamed(target, `${label}.${server.url.hostHeader}`, [], isHome);
    }
    const selector: Field = [SELECTOR, instance === null ? service : instanceName(service, instance)];
    if (server.keepsHost) return { target, fields: [["host", this.#host], selector], isHome };
    return this.#renamed(target, host, [selector], isHome);
  }

  /** One that is sent a Host of its own, and does not know the visitor's. */
  #renamed(target: Target, host: string, fields: readonly Field[], isHome: boolean): Candidate {
    const visitor = this.#host;
    return {
      target,
      fields: [["host", host], ...fields],
      isHome,
      mapAnswer: (answer, scheme) => mapAnswerFields(answer, { server: host, visitor, scheme }),
    };
  }
}

/** What a server is to the data plane, whichever tenant the request is of. */
interface DialledServer {
  readonly address: string | undefined;
  readonly target: Target;
  readonly host: string;
}

/** Keeps it for as long as the server and its address are the same. */
function createDialled(parts: Pick<RoutesParts, "resolver" | "ca">): (server: Server) => DialledServer {
  const known = new WeakMap<Server, DialledServer>();
  return (server) => {
    const address = parts.resolver.address(server.url.host);
    const before = known.get(server);
    if (before !== undefined && before.address === address) return before;
    const target = targetOf(server, parts);
    const dialled: DialledServer = { address, target, host: server.url.hostHeader };
    known.set(server, dialled);
    return dialled;
  };
}

/** A server as the proxy knows it; a name without an address yet fails as `unresolved`. */
export function targetOf(
  { id, url }: Server,
  { resolver, ca }: Pick<RoutesParts, "resolver" | "ca">,
): Target {
  return { id, label: id, address: addressOf(url, resolver, ca), weight: 0, readiness: "ready" };
}

/** What we set on every request, so that a visitor's own never reaches a tenement. */
export const OVERWRITTEN: ReadonlySet<string> = new Set<Field[0]>(["host", SELECTOR]);
