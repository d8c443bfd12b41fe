// Chooses the server for a request of a tenant, and the next ones to fail over to. Pure.
import { fnv1a, mixed } from "../../core/hash.ts";
import type { Server } from "./server.ts";

/** As much of a server as decides where requests go. */
export type RoutedServer = Pick<Server, "id" | "drained" | "standing">;

/** A tenant's home server and its failover. */
export interface Preference {
  readonly home: string;
  /** In this order; undefined means all others, lowest latency first. */
  readonly failover: readonly string[] | undefined;
  /** From 0 up to 1: when in the staggered return to a recovered server this tenant's traffic moves back. */
  readonly turn: number;
}

export interface Fleet {
  find(id: string): RoutedServer | undefined;
  /** All servers, lowest latency first. */
  readonly byLatency: readonly RoutedServer[];
  /** Over how long the tenants of a recovered server are moved back to it. */
  readonly returnMs: number;
}

/** Why a server was chosen: `fail_open` when none is online and the home server is tried all the same. */
export type Reason = "home" | "failover" | "home_unsettled" | "fail_open";

export interface Choice {
  readonly server: RoutedServer;
  readonly reason: Reason;
}

/**
 * The next server for a request that `avoided` refuses some of: its home, else the failover list in order, else the
 * others by latency; then the home server though it is not steady yet; and when none is online, the home server all
 * the same. A drained server is never one.
 */
export function choose(
  preference: Preference,
  fleet: Fleet,
  nowMs: number,
  avoided: (id: string) => boolean,
): Choice | undefined {
  const home = fleet.find(preference.home);
  const isFree = (server: RoutedServer) => !server.drained && !avoided(server.id);
  const isHomeFree = home !== undefined && isFree(home);
  if (isHomeFree && isOnline(home) && isTurn(home, preference, fleet, nowMs))
    return { server: home, reason: "home" };
  for (const server of others(preference, fleet)) {
    if (server === undefined || server.id === preference.home) continue;
    if (isOnline(server) && isFree(server)) return { server, reason: "failover" };
  }
  if (!isHomeFree) return undefined;
  return { server: home, reason: isOnline(home) ? "home_unsettled" : "fail_open" };
}

/** Whether any server of the tenant would take a request, drained ones and the last resort not counted. */
export function isRoutable(preference: Preference, fleet: Fleet): boolean {
  const serves = (server: RoutedServer | undefined) =>
    server !== undefined && !server.drained && isOnline(server);
  if (serves(fleet.find(preference.home))) return true;
  for (const server of others(preference, fleet)) if (serves(server)) return true;
  return false;
}

/** An unknown server is routable: nothing speaks against it. */
export function isOnline({ standing }: RoutedServer): boolean {
  return standing.status !== "offline";
}

/** Tenants move back one after the other, so that a server that has just recovered does not get all of their load at once. */
function isTurn({ standing }: RoutedServer, preference: Preference, fleet: Fleet, nowMs: number): boolean {
  if (standing.settledAtMs === undefined) return false;
  const settledForMs = nowMs - standing.settledAtMs;
  return settledForMs >= fleet.returnMs || settledForMs >= preference.turn * fleet.returnMs;
}

function* others({ failover }: Preference, fleet: Fleet): Generator<RoutedServer | undefined> {
  if (failover === undefined) yield* fleet.byLatency;
  else for (const id of failover) yield fleet.find(id);
}

/** A tenant's turn by a hash of its id: the same in every slum, and evenly spread. */
export function turnOf(id: string): number {
  return mixed(fnv1a(id)) / 2 ** 32;
}

/** Latencies that hardly differ rank the same, so that their noise does not move tenants about. */
export function byLatency<S extends Pick<Server, "id" | "latencyMs">>(list: Iterable<S>): S[] {
  const rank = ({ latencyMs }: S) =>
    latencyMs === undefined ? Number.POSITIVE_INFINITY : Math.round(4 * Math.log2(Math.max(latencyMs, 1)));
  const compare = (a: number, b: number) => (a === b ? 0 : a - b);
  return [...list].sort((a, b) => compare(rank(a), rank(b)) || (a.id < b.id ? -1 : 1));
}
