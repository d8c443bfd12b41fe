// Quorum: the state of each server that a majority of the slums agrees on which checked it lately. Pure.
import type { Fleet } from "../fleet/choose-server.ts";
import type { Server } from "../fleet/server.ts";
import { FAILURES_TO_OFFLINE, freshStanding } from "../fleet/server-health.ts";
import type { Observation, Observations } from "../registry/observations.ts";
import type { ObservedServer } from "./alerts.ts";

/** What this slum's checks have found. `registryMs` and `monotonicMs` are the same moment. */
export function observationsOf(
  servers: Iterable<Server>,
  registryMs: number,
  monotonicMs: number,
): Observations {
  const seen = new Map<string, Observation>();
  for (const { id, checkedAt, standing, lastError } of servers) {
    if (checkedAt === undefined) continue;
    const { failures, failingSinceMs } = standing;
    const isOnline = standing.status === "online" && failures === 0;
    const status = isOnline ? "online" : standing.status === "offline" ? "offline" : "doubtful";
    seen.set(id, {
      status,
      failingSinceMs: failingSinceMs && registryMs - (monotonicMs - failingSinceMs),
      failures: Math.min(failures, FAILURES_TO_OFFLINE),
      error: isOnline ? undefined : lastError,
    });
  }
  return seen;
}

/** The servers as routing would see them if those were online that are said to be. */
export function fleetIf(
  servers: readonly ObservedServer[],
  isOnline: (server: ObservedServer) => boolean,
): Fleet {
  const byLatency = servers.map((server) => ({
    id: server.id,
    drained: server.drained,
    standing: { ...freshStanding(0), status: isOnline(server) ? ("online" as const) : ("offline" as const) },
  }));
  const known = new Map(byLatency.map((server) => [server.id, server]));
  return { find: (id) => known.get(id), byLatency, returnMs: 0 };
}

/** A server of the registry, whoever has checked it. */
export type ServerIdentity = Pick<ObservedServer, "id" | "url" | "region" | "drained">;

/**
 * The server as more than half of those see it that have checked it lately. It is neither online nor offline while they
 * disagree; it has been failing since the moment from which on a majority has seen nothing else.
 */
export function agreedOn(server: ServerIdentity, views: readonly Observations[]): ObservedServer {
  let seen = 0;
  let online = 0;
  let offline = 0;
  // Asked every second of each server: what is well costs no more than to look it up.
  const failing: Observation[] = [];
  for (const view of views) {
    const observation = view.get(server.id);
    if (observation === undefined) continue;
    seen += 1;
    if (observation.status === "online") online += 1;
    if (observation.status === "offline") offline += 1;
    if (observation.failures > 0 || observation.error !== undefined) failing.push(observation);
  }
  const majority = Math.floor(seen / 2) + 1;
  return {
    ...server,
    isOffline: offline >= majority,
    isOnline: online >= majority,
    ...(failing.length === 0 ? WELL : troubleOf(failing, majority)),
  };
}

const WELL = { failingSinceMs: undefined, failures: 0, error: undefined };

/** What a majority has seen, of those of them that have seen something. */
function troubleOf(failing: readonly Observation[], majority: number) {
  const since = failing.flatMap(({ failingSinceMs }) => failingSinceMs ?? []).sort((a, b) => a - b);
  const failures = failing.map((observation) => observation.failures).sort((a, b) => b - a);
  return {
    failingSinceMs: since[majority - 1],
    failures: failures[majority - 1] ?? 0,
    error: failing.find(({ error }) => error !== undefined)?.error,
  };
}
