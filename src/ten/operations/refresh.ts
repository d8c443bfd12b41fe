// Instances that are started afresh from time to time, so that what they fetch at their start stays fresh: one by one, behind the health check.
import { messageOf } from "../../core/fault.ts";
import type { Service } from "../config/service.ts";
import type { InstanceRow } from "../registry/registry.ts";
import type { Instance } from "../supervisor/instance.ts";
import type { Context } from "./context.ts";

const LOOK_EVERY_MS = 1_000;

/** Looks once a second until disposed. A successor that does not become healthy leaves the one before it in its place, until next time. */
export function createRefresh({ registry, supervisor, clock, onTrouble, config }: Context): Disposable {
  const ending = new AbortController();
  /** Services of which an instance is being refreshed. */
  const busy = new Set<string>();
  /** Monotonic time of the last try. */
  const triedMs = new WeakMap<Instance, number>();

  function look(): void {
    for (const service of config().services.values()) {
      if (service.refreshMs === 0 || busy.has(service.name)) continue;
      const [first] = registry.list(service.name).filter((row) => isDue(row, service));
      if (first) void refresh(first, service);
    }
  }

  function isDue(row: InstanceRow, { refreshMs }: Service): boolean {
    const instance = supervisor.of(row);
    const { startedAtMs } = instance.run ?? {};
    if (row.state !== "healthy" || row.desired !== "running" || row.deploying || startedAtMs === undefined)
      return false;
    const lastMs = Math.max(startedAtMs, triedMs.get(instance) ?? startedAtMs);
    return clock.monotonic() - lastMs >= refreshMs;
  }

  async function refresh(
    row: InstanceRow,
    { name, refreshMs, startupTimeoutMs: timeoutMs }: Service,
  ): Promise<void> {
    const instance = supervisor.of(row);
    busy.add(name);
    triedMs.set(instance, clock.monotonic());
    try {
      const build = { version: row.version, release: row.release };
      const how = { build, stopFirst: false, timeoutMs, signal: ending.signal };
      await supervisor.restart(row, `refreshed after ${refreshMs / 1000} s`, how);
    } catch (thrown) {
      if (!ending.signal.aborted)
        onTrouble(`${instance.name} could not be refreshed, and serves on as it is: ${messageOf(thrown)}`);
    } finally {
      busy.delete(name);
    }
  }

  const stop = clock.every(LOOK_EVERY_MS, look);
  return {
    [Symbol.dispose]() {
      stop();
      ending.abort();
    },
  };
}
