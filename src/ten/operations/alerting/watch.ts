// Looks every second for what has begun or ended to be wrong, and notes it; the registry tells the receivers of webhooks.
import { statfsSync } from "node:fs";
import { parseInstance } from "../../../core/name.ts";
import { thingOf } from "../../registry/alert-kinds.ts";
import type { InstanceRow } from "../../registry/registry.ts";
import type { Context } from "../context.ts";
import {
  type Condition,
  conditionOfCanary,
  conditionOfDisk,
  conditionOfInstance,
  conditionOfService,
  type Disk,
  goneInstance,
} from "./troubles.ts";

const TICK_MS = 1_000;
/** What takes a query or a system call is looked at less often. */
const SLOW_EVERY_MS = 60_000;
/** One thing's beginning comes at most once in this time. */
const REPEAT_MS = 300_000;

export interface AlertOptions {
  /** The file system that registry and logs are on; undefined when it does not tell. */
  readonly disk?: () => Disk | undefined;
}

/** Until disposed. Nothing is looked at while nobody wants to know and nothing is open. */
export function watchTroubles(
  context: Context,
  { disk = () => diskAt(context.paths.root) }: AlertOptions = {},
): Disposable {
  const { registry, clock, onTrouble } = context;
  /** Since when a thing is bad without a break. */
  const badSince = new Map<string, number>();
  /** Services that had a healthy instance since the start. */
  const served = new Set<string>();
  let slowAtMs = Number.NEGATIVE_INFINITY;

  function look(): void {
    for (const row of registry.list()) if (row.state === "healthy") served.add(row.service);
    if (registry.outbox.webhooks.size === 0 && !hasOpen()) return;
    const byService = Map.groupBy(registry.list(), ({ service }) => service);
    const isSlow = clock.monotonic() - slowAtMs >= SLOW_EVERY_MS;
    if (isSlow) slowAtMs = clock.monotonic();
    const seen = new Set<string>();
    for (const condition of conditions(byService, isSlow)) {
      seen.add(thing(condition));
      judge(condition);
    }
    for (const name of badSince.keys()) if (!seen.has(name) && isSlow) badSince.delete(name);
  }

  function* conditions(
    byService: ReadonlyMap<string, readonly InstanceRow[]>,
    isSlow: boolean,
  ): Generator<Condition> {
    const nowMs = clock.now();
    for (const row of registry.list()) yield conditionOfInstance(row, nowMs);
    yield* gone();
    const { services, settings } = context.config();
    for (const name of new Set([...byService.keys(), ...openServices()])) {
      const rows = byService.get(name) ?? [];
      const isMaintained = registry.maintenance.has(name);
      yield conditionOfService(name, rows, services.get(name), { hasServed: served.has(name), isMaintained });
      if (!isSlow) continue;
      const isSplit = new Set(rows.filter(({ weight }) => weight > 0).map(({ version }) => version)).size > 1;
      const changedAt = isSplit ? registry.history(name, 1)[0]?.at : undefined;
      const isJudged = registry.rollouts.has(name);
      yield conditionOfCanary(name, rows, changedAt, {
        nowMs,
        afterMs: settings.canaryForgottenMs,
        isJudged,
      });
    }
    const found = isSlow ? disk() : undefined;
    if (found) yield conditionOfDisk(found);
  }

  /** Instances that failed and are no more. */
  function* gone(): Generator<Condition> {
    for (const { thing, open } of registry.alerts.values()) {
      if (!open || !thing.startsWith("instance ")) continue;
      const { service, id } = parseInstance(thing.slice("instance ".length));
      if (!registry.find(service, id)) yield goneInstance(service, id);
    }
  }

  function judge(condition: Condition): void {
    const { begins, ends, service, instance, standing, detail, holdMs } = condition;
    const name = thing(condition);
    const known = registry.alerts.get(name);
    const now = clock.monotonic();
    if (standing !== "bad") badSince.delete(name);
    else if (!badSince.has(name)) badSince.set(name, now);
    if (standing === "good" && known?.open) registry.note(service, instance, ends, detail);
    if (standing !== "bad" || known?.open || now - (badSince.get(name) ?? now) < holdMs) return;
    if (known && isWithin(clock.now() - known.begunAt, REPEAT_MS)) return;
    registry.note(service, instance, begins, detail);
  }

  function hasOpen(): boolean {
    return [...registry.alerts.values()].some(({ open }) => open);
  }

  function openServices(): string[] {
    const open = [...registry.alerts.values()].filter((row) => row.open).map((row) => row.thing.split(" "));
    return open.flatMap(([kind, name]) => ((kind === "service" || kind === "canary") && name ? [name] : []));
  }

  // Also what was up for less than the time between two looks has served.
  const stopHearing = registry.onEvent(({ kind, service }) => {
    if (kind === "healthy") served.add(service);
  });
  const stop = clock.every(TICK_MS, () => {
    try {
      look();
    } catch (thrown) {
      onTrouble(`what is wrong could not be looked at: ${thrown}`);
    }
  });
  return {
    [Symbol.dispose]() {
      stop();
      stopHearing();
    },
  };
}

function thing({ begins, service, instance, detail }: Condition): string {
  return thingOf({ kind: begins, service, instance, detail });
}

/** What was noted in the future is of a clock that was set back since, and long ago. */
function isWithin(agoMs: number, ms: number): boolean {
  return agoMs >= 0 && agoMs < ms;
}

function diskAt(path: string): Disk | undefined {
  try {
    const { bavail, blocks, bsize } = statfsSync(path);
    return { path, freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch {
    return undefined;
  }
}
