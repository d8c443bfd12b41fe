// What a starting server does with the instances that the last one has left: takes over what lives, ends what should not, starts what is missing.
import { messageOf } from "../../core/fault.ts";
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
  /** Waits until nothing is in flight to where the routes no longer lead. */
  drain(row: InstanceRow): Promise<void>;
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

/** The process of a run, if it is certain that it is this very one; by its nonce when its pid was never written. */
function livingProcess(
  { nonce, pid, startTime, bootId: boot }: Identity,
  processes: Processes,
): ManagedProcess | undefined {
  if (nonce === null || boot === null) return undefined;
  if (pid !== null && startTime !== null) return processes.adopt({ pid, startTime, bootId: boot, nonce });
  const leader = findByNonce(nonce).find((one) => one.pid === one.session);
  return leader && processes.adopt({ pid: leader.pid, startTime: leader.startTime, bootId: boot, nonce });
}

/** What is noted of a run, in a row or beside it. */
type Identity = Pick<InstanceRow, "nonce" | "pid" | "startTime" | "bootId">;

/** The last server died in the middle of a restart: the run that the row routes to stays, and the other one goes. */
async function endOther(row: InstanceRow, { registry, processes, drain, graceMsOf }: AdoptionParts) {
  if (row.other === null) return;
  const process = livingProcess(row.other, processes);
  if (process) {
    // Workers that outlived the server may have requests in flight to it.
    await drain(row);
    await process.stop(graceMsOf(row.service));
  }
  registry.observe(row, { other: null });
}

/** After all are adopted: brings every instance to what is wanted of it, and ends what belongs to none. */
export async function settleAll(parts: AdoptionParts): Promise<void> {
  await Promise.all(
    parts.registry.list().flatMap((row) => [
      settleRow(row, parts).catch((thrown) => {
        const instance = parts.of(row);
        if (instance.life.nextTryMs === undefined)
          instance.show("failed", `cannot start: ${messageOf(thrown)}`);
      }),
      endOther(row, parts).catch((thrown) => parts.onTrouble(messageOf(thrown))),
    ]),
  );
  await endLeftovers(parts);
}

async function settleRow(row: InstanceRow, { registry, of, graceMsOf }: AdoptionParts): Promise<void> {
  const instance = of(row);
  if (row.deploying) {
    await registry.write((writer) => {
      writer.update(row, { desired: "stopped", deploying: false, weight: 0 });
      writer.event(row.service, row.id, "deploy.failed", "the server died during it");
    });
    await instance.end("stopped", "the server died during its deploy", graceMsOf(row.service));
  } else if (row.desired === "stopped") {
    if (instance.run || row.state !== "stopped")
      await instance.end("stopped", row.reason, graceMsOf(row.service));
  } else if (row.state === "starting" && !instance.run) {
    await instance.startAgain("started with the server");
  }
}

/** Processes that carry our mark and belong to no row: a child whose row is gone. */
async function endLeftovers({ registry, processes, onTrouble }: AdoptionParts): Promise<void> {
  const known = new Set(Array.from(runsOf(registry), ([, nonce]) => nonce));
  const sessions = new Map(findByNonce(`${registry.id}.`).map((one) => [one.session, one.nonce]));
  const leftovers = [...sessions].filter(([, nonce]) => !known.has(nonce));
  await Promise.all(
    leftovers.map(([session, nonce]) => {
      onTrouble(`session ${session} belongs to no instance any more and is ended`);
      return processes.remains(session, nonce).stop(LEFTOVER_GRACE_MS);
    }),
  );
}

/** Every run that a row names, with its nonce. */
export function* runsOf(registry: Registry): Generator<readonly [row: InstanceRow, nonce: string]> {
  for (const row of registry.list())
    for (const nonce of [row.nonce, row.other?.nonce]) if (nonce) yield [row, nonce];
}
