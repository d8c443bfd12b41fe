// CPU and memory of sessions: what each instance uses, all that it started included.
import type { Clock } from "../time/clock.ts";
import { type ProcessInfo, readProcesses } from "./proc.ts";

export interface Usage {
  /** Of one core, since the look before: 250 is two and a half cores. Undefined at the first look. */
  readonly cpuPercent: number | undefined;
  /** All that its processes have used since they began, of those that live. */
  readonly cpuSecs: number;
  /** Resident memory; pages that several processes share count in each. */
  readonly rssBytes: number;
  readonly processes: number;
}

export interface UsageMeter {
  /** The usage of each session that has a live process. One look at all processes, 5 µs each, however many sessions. */
  measure(sessions: ReadonlySet<number>): Map<number, Usage>;
}

interface Total {
  readonly startTime: string;
  cpuMs: number;
  rssBytes: number;
  processes: number;
}

export function createUsageMeter(
  clock: Clock,
  read: () => readonly ProcessInfo[] = readProcesses,
): UsageMeter {
  let before = new Map<number, Total>();
  let measuredAtMs = 0;

  function percentOf(session: number, { startTime, cpuMs }: Total, elapsedMs: number): number | undefined {
    const earlier = before.get(session);
    // A session id that has become another process's starts anew.
    if (!earlier || earlier.startTime !== startTime || elapsedMs <= 0) return undefined;
    // A child that nobody waited for takes its time with it.
    return Math.max(0, ((cpuMs - earlier.cpuMs) / elapsedMs) * 100);
  }

  return {
    measure(sessions) {
      const now = clock.monotonic();
      const totals = totalsOf(read(), sessions);
      const usage = new Map<number, Usage>();
      for (const [session, total] of totals) {
        const { rssBytes, processes } = total;
        usage.set(session, {
          cpuPercent: percentOf(session, total, now - measuredAtMs),
          cpuSecs: total.cpuMs / 1000,
          rssBytes,
          processes,
        });
      }
      before = totals;
      measuredAtMs = now;
      return usage;
    },
  };
}

function totalsOf(infos: readonly ProcessInfo[], sessions: ReadonlySet<number>): Map<number, Total> {
  const leaders = new Map(infos.map((info) => [info.pid, info.startTime]));
  const totals = new Map<number, Total>();
  for (const info of infos) {
    if (!sessions.has(info.session) || info.zombie) continue;
    const startTime = leaders.get(info.session) ?? "";
    const total = totals.get(info.session) ?? { startTime, cpuMs: 0, rssBytes: 0, processes: 0 };
    total.cpuMs += info.cpuMs;
    total.rssBytes += info.rssBytes;
    total.processes++;
    totals.set(info.session, total);
  }
  return totals;
}
