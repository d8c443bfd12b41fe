// Jobs: services whose command is run at the times of a schedule, and ends. The versions with weight are those that are run.
import { Fault, messageOf } from "../../core/fault.ts";
import { nextRunAfter } from "../config/schedule.ts";
import type { Service } from "../config/service.ts";
import type { InstanceRow } from "../registry/registry.ts";
import type { Context } from "./context.ts";

const LOOK_EVERY_MS = 1_000;
/** A clock that was set back by more than this makes all times be counted anew. */
const SET_BACK_MS = 5_000;

interface Due {
  readonly schedule: string;
  readonly atMs: number | undefined;
}

/** Looks once a second until disposed. What was due while no server ran is not made good, as with cron. */
export function createSchedule({ registry, supervisor, clock, onTrouble, config }: Context): Disposable {
  const due = new Map<string, Due>();
  let lastMs = clock.now();

  function look(): void {
    const nowMs = clock.now();
    if (nowMs < lastMs - SET_BACK_MS) due.clear();
    lastMs = nowMs;
    for (const service of config().services.values()) {
      if (service.schedule === undefined) due.delete(service.name);
      else if (isDue(service.name, service.schedule, nowMs)) runAll(service);
    }
  }

  function isDue(name: string, schedule: string, nowMs: number): boolean {
    const known = due.get(name);
    const isKnown = known?.schedule === schedule;
    const is = isKnown && known.atMs !== undefined && nowMs >= known.atMs;
    if (is || !isKnown) due.set(name, { schedule, atMs: nextRunAfter(schedule, nowMs) });
    return is;
  }

  function runAll({ name }: Service): void {
    for (const row of registry.list(name).filter(mayRun)) void run(row);
  }

  async function run(row: InstanceRow): Promise<void> {
    const instance = supervisor.of(row);
    try {
      if (!(await instance.runOnce("run by its schedule")))
        registry.note(row.service, row.id, "run_skipped", "the run before it has not ended");
    } catch (thrown) {
      const text = `could not be started: ${messageOf(thrown)}`;
      instance.show("unhealthy", text);
      registry.note(row.service, row.id, "run_failed", text);
      onTrouble(`${instance.name} ${text}`);
    }
  }

  const stop = clock.every(LOOK_EVERY_MS, look);
  return { [Symbol.dispose]: stop };
}

/** Runs a job now and waits for its end. Throws an unhealthy fault when it fails, a conflict when it runs already. */
export async function runJob({ supervisor }: Context, row: InstanceRow, signal: AbortSignal): Promise<void> {
  const instance = supervisor.of(row);
  const run = await instance.runOnce("run by the operator");
  if (!run)
    throw new Fault("conflict", `${instance.name} runs already`, `its output: ten logs ${instance.name} -f`);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    const exit = await Promise.race([run.process.exited, aborted]);
    if (exit.code === 0) return;
    await instance.settled();
    throw new Fault(
      "unhealthy",
      `${instance.name} failed: it ${run.exit}`,
      `its output: ten logs ${instance.name}`,
    );
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** When an instance is run next, in milliseconds since the epoch; undefined when it is no job, or not the version that is run. */
export function nextRunOf(service: Service | undefined, row: InstanceRow, nowMs: number): number | undefined {
  if (service?.schedule === undefined || !mayRun(row)) return undefined;
  return nextRunAfter(service.schedule, nowMs);
}

function mayRun({ desired, weight, deploying }: InstanceRow): boolean {
  return desired === "running" && weight > 0 && !deploying;
}
