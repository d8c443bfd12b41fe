// Requests that wait, in order and within bounds, for a target that is on its way.
import type { RouteTable } from "../../core/route-table.ts";
import type { Clock } from "../../platform/time/clock.ts";

/** What a table says to a waiting request: it may go on, it should stay, or there is nothing left to wait for. */
export type Verdict = "go" | "stay" | "fail";

/** How a wait ended: with a verdict, at its deadline, at once because too many wait, or because the visitor left. */
export type Waited = "go" | "fail" | "late" | "full" | "left";

const MOST_PER_ROUTE = 1_000;

interface Waiter {
  readonly judge: (table: RouteTable) => Verdict;
  readonly finish: (how: Waited) => void;
}

export interface WaitingRoom {
  /** Waits until `judge` no longer says "stay" of a published table, at most `deadlineMs`. Bounded per route. */
  wait(
    route: string,
    judge: (table: RouteTable) => Verdict,
    deadlineMs: number,
    signal: AbortSignal,
  ): Promise<Waited>;
  /** Asks all waiters of one route, or of all, in the order in which they came. */
  review(table: RouteTable, route?: string): void;
  /** Nothing will come any more: it is too late for all who wait or will. */
  close(): void;
}

export function createWaitingRoom(clock: Clock): WaitingRoom {
  const queues = new Map<string, Set<Waiter>>();
  let isClosed = false;

  function review(queue: Iterable<Waiter>, table: RouteTable): void {
    for (const waiter of queue) {
      const verdict = waiter.judge(table);
      if (verdict !== "stay") waiter.finish(verdict);
    }
  }

  return {
    wait(route, judge, deadlineMs, signal) {
      const queue = queues.get(route) ?? new Set();
      if (queue.size >= MOST_PER_ROUTE) return Promise.resolve("full");
      if (signal.aborted) return Promise.resolve("left");
      if (isClosed || deadlineMs <= 0) return Promise.resolve("late");
      queues.set(route, queue);
      return new Promise((resolve) => {
        const left = () => finish("left");
        const finish = (how: Waited) => {
          cancel();
          signal.removeEventListener("abort", left);
          queue.delete(waiter);
          if (queue.size === 0 && queues.get(route) === queue) queues.delete(route);
          resolve(how);
        };
        const cancel = clock.after(deadlineMs, () => finish("late"));
        signal.addEventListener("abort", left);
        const waiter: Waiter = { judge, finish };
        queue.add(waiter);
      });
    },
    review(table, route) {
      if (route === undefined) for (const queue of queues.values()) review(queue, table);
      else review(queues.get(route) ?? [], table);
    },
    close() {
      isClosed = true;
      for (const queue of queues.values()) for (const waiter of queue) waiter.finish("late");
    },
  };
}
