// The dependencies of an Instance: all that it reaches, and nothing of what reaches it.
import type { Exit } from "../../platform/process/exit-status.ts";
import type { ManagedProcess } from "../../platform/process/process.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Release } from "../config/release.ts";
import type { Service } from "../config/service.ts";
import type { InstanceRow, Registry } from "../registry/registry.ts";
import type { Patience } from "./patience.ts";
import type { Build, Run } from "./run.ts";
import type { Whereabouts } from "./whereabouts.ts";

export type State = InstanceRow["state"];
/** Quickly repeated until it is healthy; as configured; not at all. */
export type Cadence = "starting" | "steady" | "none";
/** Which of an instance's two runs: the one that its row routes to, or the other one beside it. */
export type Role = "routed" | "other";

export interface Launched {
  readonly process: ManagedProcess;
  readonly port: number | null;
  readonly release: Release;
}

/** What an Instance is given. */
export interface InstanceDeps {
  readonly registry: Registry;
  readonly clock: Clock;
  random(): number;
  /** Its service as configured now, or as it last was. */
  service(): Service;
  /** Commits a port and a nonce, then starts the process. Throws a fault when it cannot be created. */
  launch(row: InstanceRow, role: Role, build: Build): Promise<Launched>;
  /** Where a run that lives listens. */
  whereabouts(run: Run): Whereabouts;
  /** How the process of a run ended, in words. */
  describeExit(run: Run, exit: Exit): string;
  /** The processes of a run are gone: what was made for them is removed. */
  release(run: Run): Promise<void>;
  /** A process ended by itself: ends what it has left behind, too. */
  cleanUp(run: Run): Promise<void>;
  /** What runs by a schedule has failed. */
  runFailed(text: string): void;
  /** Starts (`starting`: quickly repeated) or ends the health checks of a run. */
  watch(run: Run, cadence: Cadence): void;
  /** Routes must be derived anew. */
  changed(): void;
  /** Puts the routes into force, and waits until nothing is in flight to where they no longer lead, up to its drain_timeout. */
  drain(): Promise<void>;
  /** It has been unhealthy for too long: the supervisor restarts it when no sibling is being restarted. */
  readonly sick: () => void;
  /** Something that must not happen did, and nobody waits for it. */
  readonly onTrouble: (thrown: unknown) => void;
}

/** How one run of an instance follows another. */
export interface Replacement extends Patience {
  /** What the successor is made from; as the run before it unless given. */
  readonly build?: Build;
  /** Awaited when it is healthy, before it takes over; when it rejects the run before it goes on. */
  readonly ready?: () => Promise<void>;
  /** Awaited when it did not get healthy, while it is still there. */
  readonly onFailure?: () => Promise<unknown>;
}
