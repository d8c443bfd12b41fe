// One run of an instance: a process with a port, a mark, a health and a log of its own. An instance has at most two.
import { Fault } from "../../core/fault.ts";
import { freshHealth, type Health, nextHealth } from "../../core/health.ts";
import type { Probe } from "../../core/route.ts";
import type { CheckResult } from "../../platform/net/health-check.ts";
import type { ManagedProcess } from "../../platform/process/process.ts";
import type { Release } from "../config/release.ts";
import type { RunIdentity } from "../registry/schema.ts";

/** What a run is made from. */
export interface Build {
  readonly version: string;
  /** Null: as is configured now. */
  readonly release: Release | null;
}

export class Run {
  readonly process: ManagedProcess;
  readonly port: number | null;
  readonly build: Build;
  /** Whose its port is as long as that lives. */
  readonly holder: { readonly pid: number; readonly startTime: string };
  /** On the monotonic clock: when this supervisor started or adopted it. */
  readonly startedAtMs: number;
  health: Health;
  lastCheck: CheckResult | undefined;
  /** It passes its checks and answers no request; with the request that is let through now. Checks do not change that. */
  silence: { readonly reason: string; readonly probe: Probe | undefined } | undefined;
  /** Where others reach it past the proxy, as far as that was looked at. */
  exposed: string | undefined;
  /** How its process ended by itself, in words. */
  exit: string | undefined;
  readonly #becameHealthy = Promise.withResolvers<void>();

  constructor(
    process: ManagedProcess,
    port: number | null,
    build: Build,
    nowMs: number,
    health: Health = freshHealth(),
  ) {
    this.process = process;
    this.port = port;
    this.build = build;
    this.startedAtMs = nowMs;
    this.health = health;
    this.holder = { pid: process.pid, startTime: process.startTime };
    // Most runs have nobody who waits for them.
    this.#becameHealthy.promise.catch(() => {});
  }

  /** Names it among all runs. */
  get key(): string {
    return this.process.nonce;
  }

  /** What its instance shows of it. */
  get state(): Health["state"] {
    return this.silence && this.health.state === "healthy" ? "unhealthy" : this.health.state;
  }

  get identity(): RunIdentity {
    const { nonce, pid, startTime, bootId } = this.process;
    return { nonce, pid, startTime, bootId, port: this.port };
  }

  /** Resolves with its first check that passes; rejects when it has ended, or is given up, before. */
  get healthy(): Promise<void> {
    return this.#becameHealthy.promise;
  }

  checked(outcome: CheckResult): void {
    this.lastCheck = outcome;
    this.health = nextHealth(this.health, outcome.ok);
    if (outcome.ok) this.#becameHealthy.resolve();
  }

  /** Whoever waits for its health waits in vain. */
  giveUp(reason: Fault): void {
    this.#becameHealthy.reject(reason);
  }

  /** Its process has ended by itself. */
  ended(name: string, exit: string): void {
    this.exit = exit;
    this.giveUp(new Fault("unhealthy", `${name} ended before it was healthy: it ${exit}`));
  }
}
