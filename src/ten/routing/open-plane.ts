// The data plane of `ten serve`: inside its own process, or in workers beside it; what the other kind has left behind makes room.

import { buildMark, sameBuildWords } from "../../platform/executable.ts";
import type { Processes } from "../../platform/process/process.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { DataPlane, DataPlaneOptions } from "../../proxy/data-plane.ts";
import type { HeldSockets, Inherited } from "../../proxy/workers/held-socket.ts";
import { createMultiProcessPlane, type FirstRoutes } from "../../proxy/workers/multi-process.ts";
import { createSingleProcessPlane } from "../../proxy/workers/single-process.ts";
import { answerAway } from "./worker-entry.ts";

export interface PlaneOptions extends DataPlaneOptions {
  readonly workers: number;
  readonly viaName: string;
  readonly clock: Clock;
  /** The data directory. */
  readonly directory: string;
  readonly processes: Processes;
  readonly version: string;
  /** What came with the start of this process. */
  readonly inherited: Inherited;
  /** Told of the sockets once they are held. */
  onHeld(held: HeldSockets): void;
  say(text: string): void;
}

/** Throws a Fault when the port is somebody else's. */
export async function openPlane(options: PlaneOptions, first: FirstRoutes): Promise<DataPlane> {
  const { workers, version } = options;
  const all = { ...options, program: sameBuildWords(), build: buildMark(version), sharesSocket: true };
  return workers > 1
    ? createMultiProcessPlane(all, first)
    : createSingleProcessPlane({ ...all, away: answerAway }, first);
}
