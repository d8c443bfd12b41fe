// The servers with their health: one check each, however many tenants they have, and the order that follows from it.
import { jittered } from "../../core/backoff.ts";
import { type CheckResult, checkHealth } from "../../platform/net/health-check.ts";
import { createProber, type Prober } from "../../platform/net/prober.ts";
import type { Resolver } from "../../platform/net/resolver.ts";
import { atMost, type Clock } from "../../platform/time/clock.ts";
import type { ServerRow } from "../registry/schema.ts";
import { byLatency, type Fleet } from "./choose-server.ts";
import { HostProbes } from "./host-probes.ts";
import { afterCheck, freshServer, type Server, withRow } from "./server.ts";
import type { ServerStatus } from "./server-health.ts";
import { addressOf } from "./server-url.ts";
import { type Verdict, Verdicts } from "./verdicts.ts";

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
  verdict(id: string, deadlineMs: number): Promise<Verdict>;
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

export function createFleet(options: FleetOptions): Servers {
  return new ServerFleet(options);
}

class ServerFleet implements Servers {
  readonly returnMs: number;
  readonly #options: FleetOptions;
  readonly #servers = new Map<string, Server>();
  readonly #verdicts: Verdicts;
  readonly #probes: HostProbes;
  readonly #prober: Prober;
  /** Servers whose next check is to be a quick one. */
  readonly #doubted = new Set<string>();
  readonly #hopedAtMs = new Map<string, number>();
  #ranked: readonly Server[] | undefined;

  constructor(options: FleetOptions) {
    const { clock, random = Math.random } = options;
    this.#options = options;
    this.returnMs = options.intervalMs;
    this.#verdicts = new Verdicts(clock);
    this.#probes = new HostProbes({
      find: (id) => this.#servers.get(id),
      takesAnyHost: options.takesAnyHost,
      onFound: (server) => {
        this.#servers.set(server.id, server);
        options.onHost(server);
      },
    });
    this.#prober = createProber({
      clock,
      concurrency: CONCURRENCY,
      jitter: JITTER,
      random,
      onResult: (id, result) => !result.inconclusive && this.#accept(id, result),
    });
  }

  get byLatency(): readonly Server[] {
    this.#ranked ??= byLatency(this.#servers.values());
    return this.#ranked;
  }

  find(id: string): Server | undefined {
    return this.#servers.get(id);
  }

  all(): Iterable<Server> {
    return this.#servers.values();
  }

  sync(rows: Iterable<ServerRow>): void {
    const list = [...rows];
    const ids = new Set(list.map(({ id }) => id));
    for (const id of [...this.#servers.keys()]) if (!ids.has(id)) this.#remove(id);
    for (const row of list) this.#put(row);
    this.#ranked = undefined;
  }

  check(id: string): Promise<CheckResult | undefined> {
    return this.#prober.checkNow(id);
  }

  probeHost(id: string): Promise<void> {
    return this.#probes.probe(id);
  }

  doubt(id: string): void {
    this.#doubted.add(id);
    this.#prober.doubt(id);
  }

  hope(id: string): void {
    const nowMs = this.#options.clock.monotonic();
    if (nowMs - (this.#hopedAtMs.get(id) ?? Number.NEGATIVE_INFINITY) < HOPE_EVERY_MS) return;
    this.#hopedAtMs.set(id, nowMs);
    void this.#prober.checkNow(id);
  }

  verdict(id: string, deadlineMs: number): Promise<Verdict> {
    const standing = this.#servers.get(id)?.standing;
    if (standing === undefined) return Promise.resolve(undefined);
    if (standing.status === "offline") return Promise.resolve("offline");
    const isFirst = !this.#verdicts.isAwaited(id);
    const verdict = this.#verdicts.wait(id, deadlineMs);
    this.#doubted.add(id);
    // While a failure is being confirmed the checks come by themselves, in their own time.
    if (isFirst && standing.failures === 0) void this.#prober.checkNow(id);
    return verdict;
  }

  [Symbol.dispose](): void {
    this.#prober[Symbol.dispose]();
  }

  #accept(id: string, result: CheckResult): void {
    const before = this.#servers.get(id);
    if (!before) return;
    const { resolver, clock, onCheck } = this.#options;
    const server = afterCheck(before, result, lookupError(before, resolver), clock);
    this.#servers.set(id, server);
    this.#ranked = undefined;
    if (!result.ok) resolver.passOver(server.url.host);
    if (result.ok) {
      this.#doubted.delete(id);
      this.#verdicts.settle(id, "online");
    } else if (server.standing.status === "offline") this.#verdicts.settle(id, "offline");
    onCheck(server, before.standing.status);
    if (result.ok) void this.#probes.probe(id);
  }

  #put(row: ServerRow): void {
    const { clock, resolver } = this.#options;
    const before = this.#servers.get(row.id);
    if (before?.row === row) return;
    const server = before ? withRow(before, row, clock) : freshServer(row, clock);
    this.#servers.set(row.id, server);
    if (server.url === before?.url) return;
    void resolver.watch(server.url.host);
    this.#watch(row.id);
  }

  #remove(id: string): void {
    const gone = this.#servers.get(id);
    if (!gone) return;
    this.#servers.delete(id);
    this.#prober.unwatch(id);
    this.#verdicts.settle(id, undefined);
    this.#hopedAtMs.delete(id);
    this.#doubted.delete(id);
    const isNeeded = [...this.#servers.values()].some(({ url }) => url.host === gone.url.host);
    if (!isNeeded) this.#options.resolver.unwatch(gone.url.host);
  }

  #watch(id: string): void {
    const { intervalMs, random = Math.random } = this.#options;
    this.#prober.watch(id, {
      intervalMs,
      retryMs: [...CONFIRM_AFTER_MS, jittered(intervalMs, JITTER, random())],
      starting: false,
      check: (signal, failures) => {
        const server = this.#servers.get(id);
        const isQuick = this.#doubted.delete(id) || (failures > 0 && failures < CONFIRM_AFTER_MS.length + 1);
        if (!server)
          return Promise.resolve({ ok: false, latencyMs: 0, detail: "deleted", inconclusive: true });
        const timeoutMs = isQuick ? CONFIRM_TIMEOUT_MS : CHECK_TIMEOUT_MS;
        // A request may come to doubt the server while a patient check is under way.
        return checkOnce(server, timeoutMs, signal, () => this.#doubted.has(id), this.#options);
      },
    });
  }
}

async function checkOnce(
  { row, url }: Server,
  timeoutMs: number,
  signal: AbortSignal,
  isDoubted: () => boolean,
  { clock, resolver, ca }: Pick<FleetOptions, "clock" | "resolver" | "ca">,
): Promise<CheckResult> {
  if (resolver.address(url.host) === undefined) {
    await atMost(clock, timeoutMs, resolver.watch(url.host));
    const detail = resolver.error(url.host) ?? `name not found (DNS took longer than ${timeoutMs / 1000} s)`;
    if (resolver.address(url.host) === undefined) return { ok: false, latencyMs: timeoutMs, detail };
  }
  return checkHealth(
    { ...addressOf(url, resolver, ca), http: { path: row.healthPath, hostHeader: url.hostHeader } },
    {
      clock,
      timeoutMs,
      hurry: { timeoutMs: CONFIRM_TIMEOUT_MS, isWanted: isDoubted },
      signal,
      passes: (status) => status < 500,
    },
  );
}

/** DNS may fail while the last address still serves. */
function lookupError({ url: { host } }: Server, resolver: Resolver): string | undefined {
  const error = resolver.error(host);
  return error && `${error}; its last address ${resolver.address(host)} is used`;
}
