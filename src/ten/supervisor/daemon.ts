// An app that puts itself into the background leaves the session, and one that rewrites its title loses its mark: what is left of it is known by the port that was its to have.
import { statSync } from "node:fs";
import { portHolder } from "../../platform/net/listening-ports.ts";
import { readProcess } from "../../platform/process/proc.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import type { Run } from "./run.ts";

const POLL_MS = 25;
const KILL_AFTER_MS = 2_000;
const GIVE_UP_AFTER_MS = 5_000;

/**
 * After the end of a run: ends who still listens on its port, if it was started after the run's leader, was left behind by its
 * parent, and runs as `uid`; a stranger there is let be. Answers whom it ended, `nginx (pid 7)`.
 */
export async function endDaemon(
  { process: leader, port }: Run,
  uid: number,
  clock: Clock,
): Promise<string[]> {
  const ended = new Map<number, string>();
  if (port === null || leader.startTime === "") return [];
  const startedAt = clock.monotonic();
  for (;;) {
    const holder = portHolder(port);
    if (!holder || !isLeftBehind(holder.pid, leader.startTime, uid)) break;
    const passedMs = clock.monotonic() - startedAt;
    if (passedMs > GIVE_UP_AFTER_MS) break;
    if (!ended.has(holder.pid) || passedMs > KILL_AFTER_MS)
      signal(holder.pid, passedMs > KILL_AFTER_MS ? "SIGKILL" : "SIGTERM");
    ended.set(holder.pid, `${holder.name} (pid ${holder.pid})`);
    await sleep(clock, POLL_MS);
  }
  return [...ended.values()];
}

/** Its parent is the first process, or another of the same that was left behind. */
function isLeftBehind(pid: number, since: string, uid: number): boolean {
  const info = readProcess(pid);
  if (!info || info.zombie || pid === process.pid || Number(info.startTime) < Number(since)) return false;
  if (ownerOf(pid) !== uid) return false;
  return info.parent === 1 || info.parent === process.pid || isLeftBehind(info.parent, since, uid);
}

function ownerOf(pid: number): number | undefined {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}
