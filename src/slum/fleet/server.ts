// A server: one tenement as the registry describes it, with what its checks have shown.
import type { CheckResult } from "../../platform/net/health-check.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { ServerRow } from "../registry/schema.ts";
import { freshStanding, nextStanding, type Standing } from "./server-health.ts";
import { parseServerUrl, type ServerUrl } from "./server-url.ts";

/** The part of a new latency in the smoothed one. */
const SMOOTHING = 0.3;

/** A server as it is now; replaced as a whole whenever something about it changes. */
export interface Server {
  readonly id: string;
  readonly drained: boolean;
  readonly standing: Standing;
  readonly row: ServerRow;
  readonly url: ServerUrl;
  /** Smoothed over the last checks that passed; undefined before the first. */
  readonly latencyMs: number | undefined;
  /** Wall clock time of the last check. */
  readonly checkedAt: number | undefined;
  /** Whether it is sent the visitor's Host, and not its own. */
  readonly keepsHost: boolean;
  /** What the last check said. */
  readonly detail: string | undefined;
  readonly lastError: string | undefined;
  /** Wall clock time of it. */
  readonly lastErrorAt: number | undefined;
}

/** A server of which nothing is known but its row. */
export function freshServer(row: ServerRow, clock: Clock): Server {
  return {
    id: row.id,
    drained: row.drained,
    standing: freshStanding(clock.monotonic()),
    row,
    url: parseServerUrl(row.url),
    latencyMs: row.latencyMs ?? undefined,
    checkedAt: undefined,
    keepsHost: keepsHostBy(row),
    detail: undefined,
    lastError: row.lastError ?? undefined,
    lastErrorAt: row.lastErrorAt ?? undefined,
  };
}

/** The server after its row has changed, with the health that it had; a fresh one when it is elsewhere now. */
export function withRow(server: Server, row: ServerRow, clock: Clock): Server {
  if (server.row.url !== row.url || server.row.healthPath !== row.healthPath) return freshServer(row, clock);
  const isSettled = row.host !== server.row.host || row.host !== "auto";
  const keepsHost = isSettled ? keepsHostBy(row) : server.keepsHost;
  return { ...server, row, drained: row.drained, keepsHost };
}

/** The server after one check; `passedDespite` is an error that is to be told although it passed. */
export function afterCheck(
  server: Server,
  result: CheckResult,
  passedDespite: string | undefined,
  clock: Clock,
): Server {
  const error = result.ok ? passedDespite : result.detail;
  const { latencyMs: smooth = result.latencyMs } = server;
  return {
    ...server,
    standing: nextStanding(server.standing, result.ok, clock.monotonic()),
    latencyMs: result.ok ? smooth + SMOOTHING * (result.latencyMs - smooth) : server.latencyMs,
    checkedAt: clock.now(),
    detail: result.detail,
    lastError: error ?? server.lastError,
    lastErrorAt: error === undefined ? server.lastErrorAt : clock.now(),
  };
}

/** As its row says, or as it was found before the start. */
function keepsHostBy({ host, addressing, keepsHost }: ServerRow): boolean {
  if (addressing === "host") return false;
  return host === "auto" ? (keepsHost ?? false) : host === "keep";
}
