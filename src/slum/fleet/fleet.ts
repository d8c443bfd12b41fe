// The servers with their health: one check each, however many tenants they have, and the order that follows from it.
import { jittered } from "../../core/backoff.ts";

import { type CheckResult, checkHealth } from "../../platform/net/health-check.ts";
import { createProber } from "../../platform/net/prober.ts";
import type { Resolver } from "../../platform/net/resolver.ts";
import { atMost, type Clock } from "../../platform/time/clock.ts";
import type { ServerRow } from "../registry/schema.ts";
import { byLatency, type Fleet } from "./choose-server.ts";
import type { Server } from "./server.ts";
import { freshStanding, nextStanding, type ServerStatus } from "./server-health.ts";
import { addressOf, parseServerUrl } from "./server-url.ts";

export interface Servers extends Fleet, Disposable {
  find(id: string): Server | undefined;
  readonly byLatency: readonly Server[];
  all(): Iterable<Server>;
  /** Brings the fleet to these rows: new ones are checked at once, others keep their health, missing ones are forgotten. */
  sync(rows: Iterable<ServerRow>): void;
  /** Checks now; undefined when there is no such server any more. */
  check(id: string): Promise<CheckResult | undefined>;
  /** Finds out whether the server takes requests under the visitor's Host, if that is not settled by its row; joins a probe in flight. */
  probeHost(id: string): Promise<void>;
  /** A request could not reach the server: checks it at once, within limits. */
  doubt(id: string): void;
  /** A request reached a server that passes for offline: checks it at once, within limits. */
  hope(id: string): void;
  /** Waits for the checks that a failed request has started to come to an end; undefined when they do not in time. */
  verdict(id: string, deadlineMs: number): Promise<"online" | "offline" | undefined>;
}

export interface FleetOptions {
  readonly clock: Clock;
  readonly resolver: Resolver;
  readonly intervalMs: number;
  /** Roots to trust instead of the system's, in PEM. */
  readonly ca?: string | undefined;
  /** After every check, with the status before it. */
  readonly onCheck: (server: Server, before: ServerStatus) => void;
  /** Whether the server takes requests under any Host; undefined when it does not say. In bounded time; never rejects. */
  readonly takesAnyHost: (server: Server) => Promise<boolean | undefined>;
  /** After a probe that has found otherwise than the one before. */
  readonly onHost: (server: Server) => void;
  readonly random?: () => number;
}

const CHECK_TIMEOUT_MS = 5_000;
const CONFIRM_TIMEOUT_MS = 2_000;
const CONFIRM_AFTER_MS = [500, 1_000] as const;
const CONCURRENCY = 64;
const JITTER = 0.2;
const HOPE_EVERY_MS = 1_000;
/** The part of a new latency in the smoothed one. */
const SMOOTHING = 0.3;

interface Waiter {
  readonly finish: (verdict: "online" | "offline" | undefined) => void;
}

export function createFleet(options: FleetOptions): Servers {
  const { clock, resolver, intervalMs, onCheck, random = Math.random } = options;
  const servers = new Map<string, Server>();
  const waiters = new Map<string, Set<Waiter>>();
  /** Servers whose next check is to be a quick one. */
  const doubted = new Set<string>();
  const hopedAtMs = new Map<string, number>();
  const probes = new Map<string, Promise<void>>();
  let ranked: readonly Server[] | undefined;
  const prober = createProber({
    clock,
    concurrency: CONCURRENCY,
    jitter: JITTER,
    random,
    onResult: (id, result) => !result.inconclusive && accept(id, result),
  });

  function accept(id: string, result: CheckResult): void {
    const before = servers.get(id);
    if (!before) return;
    const error = result.ok ? lookupError(before) : result.detail;
    const standing = nextStanding(before.standing, result.ok, clock.monotonic());
    const { latencyMs: smooth = result.latencyMs } = before;
    const server: Server = {
      ...before,
      standing,
      latencyMs: result.ok ? smooth + SMOOTHING * (result.latencyMs - smooth) : before.latencyMs,
      checkedAt: clock.now(),
      detail: result.detail,
      lastError: error ?? before.lastError,
      lastErrorAt: error === undefined ? before.lastErrorAt : clock.now(),
    };
    servers.set(id, server);
    ranked = undefined;
    if (!result.ok) resolver.passOver(server.url.host);
    if (result.ok) {
      doubted.delete(id);
      settle(id, "online");
    } else if (standing.status === "offline") settle(id, "offline");
    onCheck(server, before.standing.status);
    if (result.ok) void probeHost(id);
  }

  function probeHost(id: string): Promise<void> {
    const server = servers.get(id);
    if (server === undefined || server.row.host !== "auto" || server.row.addressing === "host")
      return Promise.resolve();
    const probing = probes.get(id) ?? probe(server).finally(() => probes.delete(id));
    probes.set(id, probing);
    return probing;
  }

  async function probe(server: Server): Promise<void> {
    const keepsHost = await options.takesAnyHost(server);
    const now = servers.get(server.id);
    if (keepsHost === undefined || now?.url !== server.url || now.keepsHost === keepsHost) return;
    const probed = { ...now, keepsHost };
    servers.set(server.id, probed);
    options.onHost(probed);
  }

  /** DNS may fail while the last address still serves. */
  function lookupError({ url: { host } }: Server): string | undefined {
    const error = resolver.error(host);
    return error && `${error}; its last address ${resolver.address(host)} is used`;
  }

  function settle(id: string, verdict: "online" | "offline"): void {
    for (const { finish } of waiters.get(id) ?? []) finish(verdict);
  }

  function watch(id: string): void {
    prober.watch(id, {
      intervalMs,
      retryMs: [...CONFIRM_AFTER_MS, jittered(intervalMs, JITTER, random())],
      starting: false,
      check(signal, failures) {
        const server = servers.get(id);
        const isQuick = doubted.delete(id) || (failures > 0 && failures < CONFIRM_AFTER_MS.length + 1);
        const timeoutMs = isQuick ? CONFIRM_TIMEOUT_MS : CHECK_TIMEOUT_MS;
        if (!server)
          return Promise.resolve({ ok: false, latencyMs: 0, detail: "deleted", inconclusive: true });
        return checkOnce(server, timeoutMs, signal);
      },
    });
  }

  async function checkOnce(
    { row, url }: Server,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<CheckResult> {
    if (resolver.address(url.host) === undefined) {
      await atMost(clock, timeoutMs, resolver.watch(url.host));
      const detail =
        resolver.error(url.host) ?? `name not found (DNS took longer than ${timeoutMs / 1000} s)`;
      if (resolver.address(url.host) === undefined) return { ok: false, latencyMs: timeoutMs, detail };
    }
    return checkHealth(
      {
        ...addressOf(url, resolver, options.ca),
        http: { path: row.healthPath, hostHeader: url.hostHeader },
      },
      {
        clock,
        timeoutMs,
        // A request may come to doubt the server while a patient check is under way.
        hurry: { timeoutMs: CONFIRM_TIMEOUT_MS, isWanted: () => doubted.has(row.id) },
        signal,
        passes: (status) => status < 500,
      },
    );
  }

  function add(row: ServerRow, before: Server | undefined): void {
    const isSame = before?.row.url === row.url && before.row.healthPath === row.healthPath;
    if (before && isSame) {
      if (before.row === row) return;
      const isSettled = row.host !== before.row.host || row.host !== "auto";
      const keepsHost = isSettled ? keepsHostBy(row) : before.keepsHost;
      servers.set(row.id, { ...before, row, drained: row.drained, keepsHost });
      return;
    }
    const url = parseServerUrl(row.url);
    servers.set(row.id, {
      id: row.id,
      drained: row.drained,
      standing: freshStanding(clock.monotonic()),
      row,
      url,
      latencyMs: row.latencyMs ?? undefined,
      checkedAt: undefined,
      keepsHost: keepsHostBy(row),
      detail: undefined,
      lastError: row.lastError ?? undefined,
      lastErrorAt: row.lastErrorAt ?? undefined,
    });
    void resolver.watch(url.host);
    watch(row.id);
  }

  function remove(id: string): void {
    const gone = servers.get(id);
    if (!gone) return;
    servers.delete(id);
    prober.unwatch(id);
    for (const { finish } of waiters.get(id) ?? []) finish(undefined);
    hopedAtMs.delete(id);
    doubted.delete(id);
    const isNeeded = [...servers.values()].some(({ url }) => url.host === gone.url.host);
    if (!isNeeded) resolver.unwatch(gone.url.host);
  }

  return {
    find: (id) => servers.get(id),
    get byLatency() {
      ranked ??= byLatency(servers.values());
      return ranked;
    },
    returnMs: intervalMs,
    all: () => servers.values(),
    sync(rows) {
      const list = [...rows];
      const ids = new Set(list.map(({ id }) => id));
      for (const id of [...servers.keys()]) if (!ids.has(id)) remove(id);
      for (const row of list) add(row, servers.get(row.id));
      ranked = undefined;
    },
    check: (id) => prober.checkNow(id),
    probeHost,
    doubt(id) {
      doubted.add(id);
      prober.doubt(id);
    },
    hope(id) {
      const nowMs = clock.monotonic();
      if (nowMs - (hopedAtMs.get(id) ?? Number.NEGATIVE_INFINITY) < HOPE_EVERY_MS) return;
      hopedAtMs.set(id, nowMs);
      void prober.checkNow(id);
    },
    verdict(id, deadlineMs) {
      const server = servers.get(id);
      if (!server) return Promise.resolve(undefined);
      if (server.standing.status === "offline") return Promise.resolve("offline");
      const waiting = waiters.get(id) ?? new Set();
      waiters.set(id, waiting);
      return new Promise((resolve) => {
        const finish = (verdict: "online" | "offline" | undefined) => {
          cancel();
          waiting.delete(waiter);
          if (waiting.size === 0) waiters.delete(id);
          resolve(verdict);
        };
        const cancel = clock.after(deadlineMs, () => finish(undefined));
        const waiter: Waiter = { finish };
        waiting.add(waiter);
        doubted.add(id);
        // While a failure is being confirmed the checks come by themselves, in their own time.
        if (waiting.size === 1 && server.standing.failures === 0) void prober.checkNow(id);
      });
    },
    [Symbol.dispose]: () => prober[Symbol.dispose](),
  };
}

/** As its row says, or as it was found before the start. */
function keepsHostBy({ host, addressing, keepsHost }: ServerRow): boolean {
  if (addressing === "host") return false;
  return host === "auto" ? (keepsHost ?? false) : host === "keep";
}
