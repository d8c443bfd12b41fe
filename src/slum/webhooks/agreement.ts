// What a majority of the slums that looked lately agrees on: pure.
import type { Fleet } from "../fleet/choose-server.ts";
import type { Server } from "../fleet/fleet.ts";
import { FAILURES_TO_OFFLINE, freshStanding } from "../fleet/server-health.ts";
import type { Sighting, Sightings } from "../registry/sightings.ts";
import type { Watched } from "./alerts.ts";

/** What this slum has seen. `registryMs` and `monotonicMs` are the same moment. */
export function sightingsOf(servers: Iterable<Server>, registryMs: number, monotonicMs: number): Sightings {
  const seen = new Map<string, Sighting>();
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
export function fleetIf(servers: readonly Watched[], isOnline: (server: Watched) => boolean): Fleet {
  const byLatency = servers.map((server) => ({
    id: server.id,
    drained: server.drained,
    standing: { ...freshStanding(0), status: isOnline(server) ? ("online" as const) : ("offline" as const) },
  }));
  const known = new Map(byLatency.map((server) => [server.id, server]));
  return { find: (id) => known.get(id), byLatency, returnMs: 0 };
}

/** A server of the registry, whoever has seen it. */
export type Known = Pick<Watched, "id" | "url" | "region" | "drained">;

/**
 * The server as more than half of those see it that have checked it lately. It is neither online nor offline while they
 * disagree; it has been failing since the moment from which on a majority has seen nothing else.
 */
export function agreedOn(server: Known, views: readonly Sightings[]): Watched {
  const seen = views.flatMap((view) => view.get(server.id) ?? []);
  const majority = Math.floor(seen.length / 2) + 1;
  const isAgreed = (is: (sighting: Sighting) => boolean) => seen.filter(is).length >= majority;
  const since = seen.flatMap(({ failingSinceMs }) => failingSinceMs ?? []).sort((a, b) => a - b);
  const failures = seen.map((sighting) => sighting.failures).sort((a, b) => b - a);
  return {
    ...server,
    isOffline: isAgreed(({ status }) => status === "offline"),
    isOnline: isAgreed(({ status }) => status === "online"),
    failingSinceMs: since[majority - 1],
    failures: failures[majority - 1] ?? 0,
    error: seen.find(({ error }) => error !== undefined)?.error,
  };
}
