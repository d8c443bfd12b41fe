// On whose behalf something is done: known to whatever writes it down, however many waits lie between.
import { AsyncLocalStorage } from "node:async_hooks";
import type { Principal } from "./principal.ts";

export interface Actor {
  readonly principal: Principal;
  /** The door and the address: `socket`, `dashboard 203.0.113.7`. */
  readonly from: string;
  /** The operation of the contract. */
  readonly operation: string;
}

export interface Acting {
  /** Undefined when the program acts by itself: a restart policy, an idle timer. */
  current(): Actor | undefined;
  as<T>(actor: Actor, work: () => T): T;
}

export function createActing(): Acting {
  const storage = new AsyncLocalStorage<Actor>();
  return {
    current: () => storage.getStore(),
    as: (actor, work) => storage.run(actor, work),
  };
}
