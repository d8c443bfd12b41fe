// What visitors of a worker wait for, as it is asked of the supervisor: again of the next one when the first dies.
import type { Wanted } from "../data-plane.ts";

interface Petition {
  readonly wanted: Wanted;
  readonly settle: (isGranted: boolean) => void;
}

export interface WantedRequests {
  /** Resolves when the supervisor has granted it; rejects when it has refused, or nobody will answer. */
  ask(wanted: Wanted): Promise<void>;
  answered(id: number, isGranted: boolean): void;
  /** There is a supervisor, to whom `send` leads: all that is open is asked of it. */
  attach(send: (id: number, wanted: Wanted) => void): void;
  /** There is none for the moment: what is asked waits for the next. */
  detach(): void;
  /** None is expected: refuses what is open, and from now on everything, until one comes. */
  giveUp(): void;
}

export function createWantedRequests(): WantedRequests {
  const open = new Map<number, Petition>();
  let send: ((id: number, wanted: Wanted) => void) | undefined;
  let isHopeless = false;
  let last = 0;

  return {
    ask(wanted) {
      if (isHopeless) return Promise.reject(new Error("no supervisor"));
      const id = ++last;
      return new Promise((resolve, reject) => {
        const settle = (isGranted: boolean) => {
          open.delete(id);
          if (isGranted) resolve();
          else reject(new Error("refused"));
        };
        open.set(id, { wanted, settle });
        send?.(id, wanted);
      });
    },
    answered: (id, isGranted) => open.get(id)?.settle(isGranted),
    attach(to) {
      isHopeless = false;
      send = to;
      for (const [id, { wanted }] of open) to(id, wanted);
    },
    detach() {
      send = undefined;
    },
    giveUp() {
      isHopeless = true;
      for (const petition of [...open.values()]) petition.settle(false);
    },
  };
}
