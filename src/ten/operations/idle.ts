// Scale to zero: instances that nobody uses go to sleep, and a request for one wakes it.
import { messageOf } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import type { Wanted } from "../../proxy/data-plane.ts";
import type { TargetTraffic } from "../../proxy/traffic-counters.ts";
import type { Service } from "../config/service.ts";
import type { InstanceRow } from "../registry/registry.ts";
import type { Instance } from "../supervisor/instance.ts";
import type { Context } from "./context.ts";
import { isCopying } from "./rollout/shadows.ts";

export interface Idle extends Disposable {
  /** A request waits for a sleeping instance: it is woken, once however many requests wait. */
  wake(wanted: Wanted): void;
}

const LOOK_EVERY_MS = 1_000;

/** Looks once a second until disposed. Requests, open streams and WebSockets count as use; health checks do not. */
export function createIdle(context: Context): Idle {
  const { registry, supervisor, routes, clock, onTrouble } = context;

  const waking = new Set<Instance>();

  function look(): void {
    const { services } = context.config();
    if (![...services.values()].some(({ idleTimeoutMs }) => idleTimeoutMs > 0)) return;
    const traffic = new Map(routes.traffic().map((one) => [one.id, one]));
    for (const row of registry.list()) {
      const service = services.get(row.service);
      const seen = traffic.get(instanceName(row.service, row.id));
      // Whoever is judged, and whoever it is judged by, stays awake.
      if (registry.rollouts.has(row.service)) continue;
      // So do those that get copies, which are no use by themselves.
      if (isCopying(registry.shadows.get(row.service), undefined)) continue;
      if (service && service.idleTimeoutMs > 0 && isIdle(row, seen, service.idleTimeoutMs))
        putToSleep(row, service);
    }
  }

  function isIdle(row: InstanceRow, seen: TargetTraffic | undefined, idleTimeoutMs: number): boolean {
    const { startedAtMs } = supervisor.of(row).run ?? {};
    if (row.state !== "healthy" || row.desired !== "running" || row.deploying || startedAtMs === undefined)
      return false;
    const ranMs = clock.monotonic() - startedAtMs;
    return (seen?.inFlight ?? 0) === 0 && Math.min(ranMs, seen?.idleMs ?? ranMs) >= idleTimeoutMs;
  }

  function putToSleep(row: InstanceRow, service: Service): void {
    const instance = supervisor.of(row);
    instance
      .sleep(`idle for ${service.idleTimeoutMs / 1000} s`, service.stopGraceMs)
      .catch((thrown) => onTrouble(`${instance.name} could not go to sleep: ${messageOf(thrown)}`));
  }

  /** Once however many requests ask, from the first step of its going to sleep on; after a start that failed not before its next try is due. */
  function wakeUp(instance: Instance): void {
    if (waking.has(instance) || instance.life.nextTryMs !== undefined) return;
    waking.add(instance);
    instance
      .startAgain("woken by a request")
      .catch((thrown) => onTrouble(`${instance.name} could not be woken: ${messageOf(thrown)}`))
      .finally(() => waking.delete(instance));
  }

  const stop = clock.every(LOOK_EVERY_MS, look);
  return {
    wake({ route, label }) {
      for (const row of registry.list(route)) {
        if (row.state !== "sleeping" || (label === undefined ? row.weight === 0 : row.id !== label)) continue;
        wakeUp(supervisor.of(row));
      }
    },
    [Symbol.dispose]: stop,
  };
}
