// What a starting server does with the instances that the last one has left: takes over what lives, ends what should not, starts what is missing.
import { messageOf } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { bootId } from "../../platform/process/proc.ts";
import { findByNonce, type ManagedProcess, type Processes } from "../../platform/process/process.ts";
import type { InstanceRow, Registry } from "../registry/registry.ts";
import type { Instance } from "./instance.ts";

export interface AdoptionParts {
  readonly registry: Registry;
  readonly processes: Processes;
  of(row: InstanceRow): Instance;
  /** Takes over the process of an instance. */
  adopted(row: InstanceRow, process: ManagedProcess): void;
  graceMsOf(service: string): number;
  onTrouble(text: string): void;
}

const LEFTOVER_GRACE_MS = 10_000;

/** Takes over what lives; what should run and does not is shown as starting, so that requests wait for it. */
export function adoptRow(row: InstanceRow, { registry, processes, adopted }: AdoptionParts): void {
  const process = livingProcess(row, processes);
  if (process) {
    registry.observe(row, { pid: process.pid, startTime: process.startTime });
    adopted(row, process);
  } else if (row.desired === "running" && row.state !== "sleeping") {
    const reason = row.bootId === bootId() ? "the server was restarted" : "the machine was restarted";
    const gone = { pid: null, startTime: null, nonce: null, port: null };
    registry.observe(row, { ...gone, state: "starting", reason });
  }
}

/** The process of a row, if it is certain that it is this very one; by its nonce when its pid was never written. */
function livingProcess(row: InstanceRow, processes: Processes): ManagedProcess | undefined {
  const { nonce, bootId: boot } = row;
  if (nonce === null || boot === null) return undefined;
  if (row.pid !== null && row.startTime !== null)
    return processes.adopt({ pid: row.pid, startTime: row.startTime, bootId: boot, nonce });
  const leader = findByNonce(nonce).find((one) => one.pid === one.session);
  return leader && processes.adopt({ pid: leader.pid, startTime: leader.startTime, bootId: boot, nonce });
}

/** After all are adopted: brings every instance to what is wanted of it, and ends what belongs to none. */
export async function settleAll(parts: AdoptionParts): Promise<void> {
  await Promise.all(
    parts.registry.list().map((row) =>
      settleRow(row, parts).catch((thrown) => {
        const instance = parts.of(row);
        if (instance.life.nextTryMs === undefined)
          instance.show("failed", `cannot start: ${messageOf(thrown)}`);
      }),
    ),
  );
  await endLeftovers(parts);
}

async function settleRow(row: InstanceRow, { registry, of, graceMsOf }: AdoptionParts): Promise<void> {
  const instance = of(row);
  if (row.deploying) {
    await registry.write((writer) => writer.update(row, { desired: "stopped", deploying: false, weight: 0 }));
    await instance.end("stopped", "the server died during its deploy", graceMsOf(row.service));
  } else if (row.desired === "stopped") {
    if (instance.process || row.state !== "stopped")
      await instance.end("stopped", row.reason, graceMsOf(row.service));
  } else if (row.state === "starting" && !instance.process) {
    await instance.startAgain("started with the server");
  }
}

/** Processes that carry our mark and belong to no row: a child whose row is gone. */
async function endLeftovers({ registry, processes, onTrouble }: AdoptionParts): Promise<void> {
  const known = new Set(registry.list().map((row) => row.nonce));
  const sessions = new Map(findByNonce(`${registry.id}.`).map((one) => [one.session, one.nonce]));
  const leftovers = [...sessions].filter(([, nonce]) => !known.has(nonce));
  await Promise.all(
    leftovers.map(([session, nonce]) => {
      onTrouble(`session ${session} belongs to no instance any more and is ended`);
      return processes.remains(session, nonce).stop(LEFTOVER_GRACE_MS);
    }),
  );
}

/** Whether an instance of that name should run. */
export function isWanted(registry: Registry, name: string): boolean {
  return registry
    .list()
    .some((row) => row.desired === "running" && instanceName(row.service, row.id) === name);
}
