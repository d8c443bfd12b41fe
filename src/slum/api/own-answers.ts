// What slum itself has answered in the place of its servers: by reason and by the server that was asked last, of all, of one server
// and of one tenant; each slum tells of its own.
import type { Metric, Sample } from "../../api/prometheus.ts";
import { statusOf } from "../../proxy/answers.ts";
import { isOwnCount, ownWindow, readOwnCount } from "../../proxy/own-counts.ts";
import type { TrafficHistory } from "../../proxy/traffic-history.ts";
import type { OwnAnswersView as OwnAnswers } from "./shapes.ts";

export type OwnHistory = Pick<TrafficHistory, "window" | "ownNames" | "ownTotals" | "steps">;

/** All requests, and all own answers: no id of a server has a slash. */
const ALL = "/all";
const OWN = "/own";
const LASTING = /^[:/]/;

/** A tenant's are those of its reason and server too, and all are requests: those of which a server had a try are counted as its own. */
export function groupsOf(name: string): readonly string[] {
  const own = readOwnCount(name);
  if (own === undefined) return [ALL];
  const all = own.isCounted ? [OWN] : [OWN, ALL];
  return own.route === "" ? all : [name.slice(own.route.length), ...all];
}

/** What is told by server and reason, and in sum: what is told by tenant is let go an hour after the last. */
export function isLasting(name: string): boolean {
  return LASTING.test(name);
}

/** Of all servers and tenants. */
export function answersOfAll(history: OwnHistory): OwnAnswers {
  return shown(history, history.ownNames("lasting"), ALL);
}

/** By server that was asked last; those for which there is something to tell of. */
export function answersByServer(history: OwnHistory): ReadonlyMap<string, OwnAnswers> {
  const byServer = Map.groupBy(history.ownNames("lasting"), (name) => readOwnCount(name)?.target ?? "");
  byServer.delete("");
  return new Map(Array.from(byServer, ([server, names]) => [server, shown(history, names, server)]));
}

export function answersOfServer(history: OwnHistory, server: string): OwnAnswers {
  const names = [...history.ownNames("lasting")].filter((name) => readOwnCount(name)?.target === server);
  return shown(history, names, server);
}

export function answersOfTenant(history: OwnHistory, tenant: string): OwnAnswers {
  const names = history.ownNames("passing");
  // How many requests it has had is not counted: there may be a hundred thousand of them.
  return shown(history, meantBy(names, tenant), undefined);
}

function* meantBy(names: Iterable<string>, tenant: string): Iterable<string> {
  const prefix = `${tenant}:`;
  for (const name of names) if (name.startsWith(prefix) && isOwnCount(name)) yield name;
}

function shown(history: OwnHistory, names: Iterable<string>, all: string | undefined): OwnAnswers {
  const { windowSecs, reasons, windows } = ownWindow(names, history.window.bind(history));
  return {
    window_secs: windowSecs,
    reasons: reasons.map(({ reason, status, target, count, lately }) => ({
      reason,
      status,
      server: target === "" ? null : target,
      count,
      last_minute: lately,
    })),
    windows: windows.map(({ windowSecs: secs, count }) => ({
      window_secs: secs,
      count,
      requests: all === undefined ? null : (history.window(all, secs * 1000)?.requests ?? count),
    })),
  };
}

/** How many visitors were answered with an error of slum's own, by steps from `startMs` on: of the last day. */
export function errorSteps(history: OwnHistory, startMs: number, stepMs: number, count: number): number[] {
  const sums = new Array<number>(count).fill(0);
  for (const { atMs, failed } of history.steps(OWN, DAY_MS, true)) {
    const place = Math.floor((atMs - startMs) / stepMs);
    if (place >= 0 && place < count) sums[place] = (sums[place] ?? 0) + failed;
  }
  return sums;
}

const DAY_MS = 86_400_000;

/** Since the start, of servers that there are. */
export function ownAnswersMetric(history: OwnHistory, servers: ReadonlySet<string>): Metric {
  const counts = new Map<string, { server: string; reason: string; requests: number }>();
  for (const [name, requests] of history.ownTotals()) {
    const own = readOwnCount(name);
    if (own === undefined || (own.target !== "" && !servers.has(own.target))) continue;
    const { target: server, reason } = own;
    const key = `${server} ${reason}`;
    counts.set(key, { server, reason, requests: (counts.get(key)?.requests ?? 0) + requests });
  }
  return {
    name: "slum_proxy_answers_total",
    type: "counter",
    help: "Requests that slum answered itself, by reason and by the server that was asked last (none: nobody was).",
    samples: Array.from(
      counts.values(),
      ({ server, reason, requests }): Sample => [
        { server, reason, code: String(statusOf(reason)) },
        requests,
      ],
    ),
  };
}
