// The data plane of `ten serve`: inside its own process, or in workers beside it; what the other kind has left behind makes room.

import { buildMark, sameBuildWords } from "../../platform/executable.ts";
import type { Processes } from "../../platform/process/process.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { DataPlane, DataPlaneOptions } from "../../proxy/data-plane.ts";
import { createInProcessPlane } from "../../proxy/front/in-process.ts";
import { createUpstream } from "../../proxy/upstream/upstream.ts";
import { claimPort, findWorkers } from "../../proxy/workers/find-workers.ts";
import { createMultiProcessPlane, type FirstRoutes } from "../../proxy/workers/multi-process.ts";
import { FINISH_MS } from "../../proxy/workers/worker-pool.ts";

export interface PlaneOptions extends DataPlaneOptions {
  readonly workers: number;
  readonly viaName: string;
  readonly clock: Clock;
  /** The data directory. */
  readonly directory: string;
  readonly processes: Processes;
  readonly version: string;
  say(text: string): void;
}

/** Throws a Fault when the port is somebody else's. */
export async function openPlane(options: PlaneOptions, first: FirstRoutes): Promise<DataPlane> {
  const { clock, version } = options;
  const program = sameBuildWords();
  if (options.workers > 1)
    return createMultiProcessPlane({ ...options, program, build: buildMark(version) }, first);
  const found = await findWorkers({ ...options, program, heard() {} });
  // They let the port go only when somebody else accepts there.
  const reusePort = found.length > 0;
  using _claimed = await claimPort(options, found, clock);
  const plane = createInProcessPlane({ ...options, reusePort }, createUpstream({ clock }));
  await plane.publish(first.routes, first.defaultRoute);
  for (const link of found) void link.dismiss(FINISH_MS);
  return plane;
}
