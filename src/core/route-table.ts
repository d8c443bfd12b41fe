// The route table, an immutable snapshot of all routes, and the one decision that a request takes from it.
import { canonicalHost, isIpLiteral } from "./host.ts";
import { isLabel, isService } from "./name.ts";
import type { Route, Target } from "./route.ts";
import { createSticky, type Sticky } from "./sticky.ts";

/**
 * Where a request goes. `direct` names one target past the weights; `preview` one that only who has a link may see;
 * `unknown_target` names one that a known route does not have; `unheeded` says by a field for whom it asks, and may not; `own` is the program's own host; `unknown` is nobody's; `bad_host` is no host at all.
 */
export type Decision =
  | { readonly kind: "weighted"; readonly route: Route }
  | { readonly kind: "direct" | "preview"; readonly route: Route; readonly target: Target }
  | { readonly kind: "unknown_target"; readonly route: Route; readonly label: string }
  | { readonly kind: "unheeded" }
  | { readonly kind: "own" }
  | { readonly kind: "unknown" }
  | { readonly kind: "bad_host" };

export interface TableOptions {
  /** The host that is the program's own, in canonical form. */
  readonly domain: string;
  /** Whether `{label}.{name}.{domain}` is one target of a route. */
  readonly directHosts: boolean;
  /** The name of the route that has the own hosts; the program then answers on `adminHost`. */
  readonly defaultRoute?: string | undefined;
  readonly adminHost?: string | undefined;
}

/** Built once per publish and never changed; every look-up costs the same however many routes there are. */
export interface RouteTable {
  readonly routes: ReadonlyMap<string, Entry>;
  readonly hosts: ReadonlyMap<string, Decision>;
  /** By the part after `*`: `.acme.com`. */
  readonly wildcards: ReadonlyMap<string, Decision>;
  readonly suffix: string | undefined;
  /** What the own hosts lead to: a decision object of their own, so that it is known by identity. */
  readonly home: Decision;
}

interface Entry {
  readonly route: Route;
  readonly weighted: Decision;
  readonly targets: ReadonlyMap<string, Target>;
  /** Undefined where visitors are not kept. */
  readonly sticky: Sticky | undefined;
}

const OWN: Decision = { kind: "own" };
const UNKNOWN: Decision = { kind: "unknown" };
const UNHEEDED: Decision = { kind: "unheeded" };
const BAD_HOST: Decision = { kind: "bad_host" };

/** When two routes claim one host the own hosts win, then the route that comes first. */
export function createRouteTable(list: readonly Route[], options: TableOptions): RouteTable {
  const routes = new Map<string, Entry>();
  for (const route of list) if (!routes.has(route.name)) routes.set(route.name, entryOf(route));

  const home = homeOf(routes, options.defaultRoute);
  const hosts = new Map<string, Decision>([
    ["localhost", home],
    [options.domain, home],
  ]);
  if (options.defaultRoute !== undefined && options.adminHost !== undefined) {
    hosts.set(options.adminHost, OWN);
  }
  const wildcards = new Map<string, Decision>();
  for (const entry of routes.values()) {
    for (const host of entry.route.hosts) {
      if (isIpLiteral(host)) continue;
      if (host.startsWith("*.")) claim(wildcards, host.slice(1), entry.weighted);
      else claim(hosts, host, entry.weighted);
    }
  }
  return { routes, hosts, wildcards, suffix: options.directHosts ? `.${options.domain}` : undefined, home };
}

function entryOf(route: Route): Entry {
  const targets = new Map<string, Target>();
  for (const target of route.targets) targets.set(target.label, target);
  const sticky = route.policy.sticky === undefined ? undefined : createSticky(route);
  return { route, weighted: { kind: "weighted", route }, targets, sticky };
}

function homeOf(routes: ReadonlyMap<string, Entry>, name: string | undefined): Decision {
  if (name === undefined) return OWN;
  const entry = routes.get(name);
  // A default that has no route yet must not lay the admin open on the own hosts.
  return entry ? { kind: "weighted", route: entry.route } : { kind: "unknown" };
}

function claim(hosts: Map<string, Decision>, host: string, decision: Decision): void {
  if (!hosts.has(host)) hosts.set(host, decision);
}

/** What peers may by their address; asked only where it matters. */
export interface Rights {
  /** Say by a field for whom they ask. */
  maySelect(peer: string): boolean;
  /** Use hosts of single targets that are not everybody's. */
  maySee(peer: string): boolean;
}

/**
 * Decides by the Host header. `named` is the value of the field that names a route (`api`) or a target (`api:prod`): of a peer that
 * may select it wins over any host, and opens nothing that hosts do not; others get nothing by it on the own hosts and on hosts
 * that are nobody's, and elsewhere it means nothing.
 */
export function decide(
  table: RouteTable,
  host: string | undefined,
  named: string | undefined,
  peer: string,
  rights: Rights,
): Decision {
  if (host === undefined) return BAD_HOST;
  let found = table.hosts.get(host);
  if (found === undefined) {
    const canonical = canonicalHost(host);
    if (canonical === undefined) return BAD_HOST;
    found = byHost(table, canonical, peer, rights);
  }
  if (named === undefined) return found ?? UNKNOWN;
  const selection = readSelection(named);
  if (selection === undefined) return found ?? UNKNOWN;
  if (rights.maySelect(peer)) return select(table, selection, peer, rights);
  return found === undefined || found === OWN ? UNHEEDED : found;
}

/** Undefined when the host is nobody's. */
function byHost(table: RouteTable, host: string, peer: string, rights: Rights): Decision | undefined {
  const exact = table.hosts.get(host);
  if (exact !== undefined) return exact;
  if (isIpLiteral(host)) return table.home;
  if (table.suffix !== undefined && host.endsWith(table.suffix)) {
    // The id may contain dots: the route is the last label before the domain.
    const end = host.length - table.suffix.length;
    const dot = host.lastIndexOf(".", end - 1);
    const entry = dot > 0 ? table.routes.get(host.slice(dot + 1, end)) : undefined;
    if (entry !== undefined) return direct(entry, host.slice(0, dot), peer, rights);
  }
  return table.wildcards.size === 0 ? undefined : table.wildcards.get(host.slice(host.indexOf(".")));
}

interface Selected {
  readonly name: string;
  readonly label: string | undefined;
}

/** Undefined when the field is not well formed. */
function readSelection(named: string): Selected | undefined {
  const colon = named.indexOf(":");
  const name = colon < 0 ? named : named.slice(0, colon);
  const label = colon < 0 ? undefined : named.slice(colon + 1);
  return !isService(name) || (label !== undefined && !isLabel(label)) ? undefined : { name, label };
}

function select(table: RouteTable, { name, label }: Selected, peer: string, rights: Rights): Decision {
  const entry = table.routes.get(name);
  if (entry === undefined) return UNKNOWN;
  if (label === undefined) return entry.weighted;
  const found = direct(entry, label, peer, rights);
  // Who may say for whom it asks, as slum does, has chosen on purpose.
  return found.kind === "preview" ? { ...found, kind: "direct" } : found;
}

function direct(entry: Entry, label: string, peer: string, rights: Rights): Decision {
  const { route } = entry;
  const { direct: who } = route.policy;
  if (who === "off" || (who === "trusted" && !rights.maySee(peer))) return UNKNOWN;
  const target = entry.targets.get(label);
  if (target !== undefined) return { kind: isPreview(route, target) ? "preview" : "direct", route, target };
  return isLabel(label) ? { kind: "unknown_target", route, label } : UNKNOWN;
}

/** Not before its release, and not what was taken back: a version without traffic beside others that have some. */
function isPreview({ policy, targets }: Route, target: Target): boolean {
  if (policy.direct !== "preview" || policy.onDemand === true || target.weight > 0) return false;
  return targets.some(({ weight }) => weight > 0);
}
