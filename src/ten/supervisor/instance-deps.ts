// The dependencies of an Instance: all that it reaches, and nothing of what reaches it.

import type { Exit, ManagedProcess } from "../../platform/process/process.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Service } from "../config/service.ts";
import type { InstanceRow, Registry } from "../registry/registry.ts";

export type State = InstanceRow["state"];
/** Quickly repeated until it is healthy; as configured; not at all. */
export type Cadence = "starting" | "steady" | "none";

/** What an Instance is given. */
export interface InstanceDeps {
  readonly registry: Registry;
  readonly clock: Clock;
  random(): number;
  /** Its service as configured now, or as it last was. */
  service(): Service;
  /** Commits a port and a nonce, then starts the process. Throws a fault when it cannot be created. */
  launch(row: InstanceRow): Promise<ManagedProcess>;
  /** How a process of it ended, in words. */
  describeExit(exit: Exit): string;
  /** Its processes are gone: what was made for them is removed. */
  release(): Promise<void>;
  /** Starts (`starting`: quickly repeated) or ends the health checks. */
  watch(cadence: Cadence): void;
  /** Routes must be derived anew. */
  changed(): void;
  /** It has been unhealthy for too long: the supervisor restarts it when no sibling is being restarted. */
  readonly sick: () => void;
  /** Something that must not happen did, and nobody waits for it. */
  readonly onTrouble: (thrown: unknown) => void;
}
