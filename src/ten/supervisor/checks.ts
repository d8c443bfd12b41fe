// The health checks of all instances: one prober, and what counts as an instance's own answer.
import { type CheckResult, checkHealth } from "../../platform/net/health-check.ts";
import type { ListeningPorts } from "../../platform/net/listening-ports.ts";
import { createProber } from "../../platform/net/prober.ts";
import type { Account } from "../../platform/process/account.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Release } from "../config/release.ts";
import type { Service } from "../config/service.ts";
import type { Instance } from "./instance.ts";
import type { Cadence } from "./instance-deps.ts";
import type { ProcessSpec } from "./process-spec.ts";
import type { Run } from "./run.ts";
import { checkByCommand, checkLife } from "./worker-check.ts";

export interface Checks extends Disposable {
  /** Checks a run of an instance at this pace from now on, at once when it was not watched before; or not at all. */
  watch(instance: Instance, run: Run, cadence: Cadence): void;
  /** Checks now; undefined when the run is not watched. */
  now(run: Run): Promise<CheckResult | undefined>;
  /** See prober. */
  doubt(run: Run): boolean;
}

export interface ChecksParts {
  readonly clock: Clock;
  readonly listeners: ListeningPorts;
  /** The server's own. */
  readonly domain: string;
  /** The rules of a service for a release, also when it is no longer configured. */
  serviceOf(name: string, release: Release | null): Service;
  /** Another command in the place of a run, and who it runs as. Throws a fault when there is no such user. */
  commandOf(
    words: readonly [string, ...string[]],
    service: Service,
    instance: Instance,
    run: Run,
  ): [spec: ProcessSpec, account: Account | undefined];
}

const CHECKS_AT_ONCE = 64;
/** A failed check is repeated after this. */
const RECHECK_MS = 1_000;
/** After one that timed out: three of 2 s, begun at the first silence, then end within 8 s. */
const RECHECK_AFTER_HANG_MS = 750;

export function createChecks(parts: ChecksParts): Checks {
  const { clock, listeners } = parts;
  const watched = new Map<string, { readonly instance: Instance; readonly run: Run }>();
  const prober = createProber({
    clock,
    concurrency: CHECKS_AT_ONCE,
    onResult(key, result) {
      const { instance, run } = watched.get(key) ?? {};
      if (!result.inconclusive && run) instance?.checked(run, result);
    },
  });

  /** Only the instance's own listener counts: a stranger on its port, or a connection that met itself, never passes. */
  async function check(
    service: Service,
    instance: Instance,
    run: Run,
    signal: AbortSignal,
  ): Promise<CheckResult> {
    const { health, name } = service;
    if (health.command !== undefined) {
      const command = () => parts.commandOf(health.command ?? service.words, service, instance, run);
      return checkByCommand(command, { clock, signal, timeoutMs: health.timeoutMs });
    }
    if (!service.hasPort) return checkLife(run, health.graceMs, clock);
    const port = run.port ?? 0;
    const hostHeader = health.host ?? `${name}.${parts.domain}`;
    const target = {
      host: service.address,
      port,
      ...(health.path !== undefined && { http: { path: health.path, hostHeader } }),
    };
    const isOwn = () => listeners.ownsListener(run.process, port, service.address);
    return checkHealth(target, { clock, timeoutMs: health.timeoutMs, isOwn, signal });
  }

  return {
    watch(instance, run, cadence) {
      if (cadence === "none") {
        prober.unwatch(run.key);
        watched.delete(run.key);
        return;
      }
      watched.set(run.key, { instance, run });
      const service = parts.serviceOf(instance.service, run.build.release);
      prober.repace(run.key, {
        check: (signal) => check(service, instance, run, signal),
        intervalMs: service.health.intervalMs,
        retryMs: [RECHECK_MS],
        retryAfterHangMs: RECHECK_AFTER_HANG_MS,
        starting: cadence === "starting",
      });
    },
    now: (run) => prober.checkNow(run.key),
    doubt: (run) => prober.doubt(run.key),
    [Symbol.dispose]: () => prober[Symbol.dispose](),
  };
}
