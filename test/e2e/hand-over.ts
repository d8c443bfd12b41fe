// What tests of hand-overs share: load between the steps, other numbers of workers, and which workers there are.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readProcesses } from "../../src/platform/process/proc.ts";
import { until } from "../support/until.ts";
import type { Ten } from "./ten.ts";

/** How many requests the instances have answered or have in flight. */
export async function counted(ten: Ten): Promise<number> {
  return Object.values(await ten.ps()).reduce((sum, { requests }) => sum + requests, 0);
}

/** Resolves when so many more requests have been answered, whoever counts them. */
export async function moreAnswered(ten: Ten, count: number): Promise<void> {
  const before = await counted(ten);
  await until(`${count} more are answered`, async () => (await counted(ten)) >= before + count, 60_000);
}

/** Ends the server and starts it again at the same port, with load before and after. */
export async function restart(ten: Ten, load: number, signal: NodeJS.Signals = "SIGQUIT"): Promise<void> {
  await moreAnswered(ten, load);
  ten.kill(signal);
  await ten.exited;
  await ten.start();
  await moreAnswered(ten, load);
}

/** For the next start: `workers` has to be in the configuration. */
export function setWorkers(ten: Ten, count: number): void {
  const path = join(ten.dir, "tenement.toml");
  writeFileSync(path, readFileSync(path, "utf8").replace(/workers = \d+/, `workers = ${count}`));
}

/** The pids of the workers that live, lowest first. */
export function workersOf(ten: Ten): number[] {
  const isWorker = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(`\0.worker\0${ten.dataDir}/`);
    } catch {
      return false;
    }
  };
  return readProcesses()
    .filter(({ pid, zombie }) => !zombie && isWorker(pid))
    .map(({ pid }) => pid)
    .sort((a, b) => a - b);
}
