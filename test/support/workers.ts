// Planes whose workers are the compiled binary, each in a directory of its own unless it is to take over another's.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { version } from "../../package.json";
import type { Route } from "../../src/core/route.ts";
import { buildMark } from "../../src/platform/executable.ts";
import { readProcesses, readVariable } from "../../src/platform/process/proc.ts";
import { createProcesses } from "../../src/platform/process/process.ts";
import { systemClock } from "../../src/platform/time/clock.ts";
import type { DataPlane, DataPlaneOptions } from "../../src/proxy/data-plane.ts";
import { findWorkers } from "../../src/proxy/workers/find-workers.ts";
import { createMultiProcessPlane, type MultiProcessOptions } from "../../src/proxy/workers/multi-process.ts";
import { startPlane, type TestPlane } from "./plane.ts";
import { createTempDir } from "./temp-dir.ts";

/** Whose pid is not known: to signal it throws, where 0 would be all of the test run's own group. */
export const NO_PROCESS = Number.NaN;

export const BINARY = join(import.meta.dir, "../../dist/ten");

/** Disposing ends the workers too, those that were taken over among them. */
export async function startWorkers(
  options: DataPlaneOptions,
  changes: Partial<MultiProcessOptions> = {},
  routes: readonly Route[] = [],
): Promise<DataPlane> {
  const temp = changes.directory === undefined ? createTempDir() : undefined;
  const processes = createProcesses(systemClock);
  const all = {
    workers: 1,
    viaName: "ten-test",
    directory: temp?.path ?? "",
    processes,
    program: [BINARY],
    build: buildMark(version, BINARY),
    say() {},
    heard() {},
    clock: systemClock,
    ...options,
    ...changes,
  };
  const plane = await createMultiProcessPlane(all, { routes, defaultRoute: undefined });
  return Object.assign(plane, {
    async [Symbol.asyncDispose]() {
      await plane.close(0);
      // Those that were left and nobody took over.
      for (const link of await findWorkers(all)) await link.kill();
      processes[Symbol.dispose]();
      temp?.[Symbol.dispose]();
    },
  });
}

/** Two of them, unless said otherwise, with everything that a program would give. */
export function startPair(
  changes: Partial<MultiProcessOptions>,
  options: Partial<DataPlaneOptions> = {},
  routes: readonly Route[] = [],
): Promise<TestPlane> {
  return startPlane((all) => startWorkers(all, { workers: 2, ...changes }, routes), options);
}

/** The workers whose sockets lie in a directory, by pid. */
export function workersOf(directory: string): number[] {
  const words = readdirSync(directory).flatMap((name) => /^w_(.+)$/.exec(name)?.[1] ?? []);
  return readProcesses()
    .filter(({ pid, zombie }) => !zombie && words.includes((readVariable(pid, "TEN_NONCE") ?? "").slice(7)))
    .map(({ pid }) => pid)
    .sort();
}
