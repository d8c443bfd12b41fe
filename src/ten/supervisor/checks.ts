// The health checks of all instances: one prober, and what counts as an instance's own answer.
import { type CheckResult, checkHealth } from "../../platform/net/health-check.ts";
import type { ListeningPorts } from "../../platform/net/listening-ports.ts";
import { createProber } from "../../platform/net/prober.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Service } from "../config/service.ts";
import type { Instance } from "./instance.ts";
import type { Cadence } from "./instance-deps.ts";

export interface Checks extends Disposable {
  /** Checks an instance at this pace from now on, at once when it was not watched before; or not at all. */
  watch(instance: Instance, cadence: Cadence): void;
  /** Checks now; undefined when the instance is not watched. */
  now(name: string): Promise<CheckResult | undefined>;
  /** See prober. */
  doubt(name: string): boolean;
}

export interface ChecksParts {
  readonly clock: Clock;
  readonly listeners: ListeningPorts;
  /** The server's own. */
  readonly domain: string;
  /** The rules of a service, also when it is no longer configured. */
  serviceOf(name: string): Service;
  /** Hears every verdict. */
  heard(name: string, result: CheckResult): void;
}

const CHECKS_AT_ONCE = 64;
/** A failed check is repeated after this. */
const RECHECK_MS = 1_000;
/** After one that timed out: three of 2 s, begun at the first silence, then end within 8 s. */
const RECHECK_AFTER_HANG_MS = 750;

export function createChecks(parts: ChecksParts): Checks {
  const { clock, listeners } = parts;
  const prober = createProber({
    clock,
    concurrency: CHECKS_AT_ONCE,
    onResult: (name, result) => {
      if (!result.inconclusive) parts.heard(name, result);
    },
  });

  /** Only the instance's own listener counts: a stranger on its port, or a connection that met itself, never passes. */
  function check(instance: Instance, signal: AbortSignal): Promise<CheckResult> {
    const { health, name } = parts.serviceOf(instance.service);
    const port = instance.row.port ?? 0;
    const session = instance.process?.pid;
    const hostHeader = health.host ?? `${name}.${parts.domain}`;
    const target = {
      host: "127.0.0.1",
      port,
      ...(health.path !== undefined && { http: { path: health.path, hostHeader } }),
    };
    const isOwn = () => session !== undefined && listeners.ownsListener(session, port);
    return checkHealth(target, { clock, timeoutMs: health.timeoutMs, isOwn, signal });
  }

  return {
    watch(instance, cadence) {
      if (cadence === "none") return prober.unwatch(instance.name);
      prober.repace(instance.name, {
        check: (signal) => check(instance, signal),
        intervalMs: parts.serviceOf(instance.service).health.intervalMs,
        retryMs: [RECHECK_MS],
        retryAfterHangMs: RECHECK_AFTER_HANG_MS,
        starting: cadence === "starting",
      });
    },
    now: prober.checkNow,
    doubt: prober.doubt,
    [Symbol.dispose]: () => prober[Symbol.dispose](),
  };
}
