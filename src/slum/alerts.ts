// What is worth a webhook: beginnings and ends of trouble, from what is known at a moment of the monotonic clock.

export type AlertType =
  | "server.offline"
  | "server.online"
  | "fleet.down"
  | "fleet.up"
  | "tenants.unroutable"
  | "tenants.routable";

export interface Alert {
  readonly type: AlertType;
  readonly data: Readonly<Record<string, unknown>>;
  /** The things that begin or end with it. */
  readonly things: readonly string[];
}

/** A server, with how its checks went lately. */
export interface Watched {
  readonly id: string;
  readonly url: string;
  readonly region: string | undefined;
  readonly drained: boolean;
  readonly isOffline: boolean;
  /** Monotonic time of the first of the failed checks in a row; undefined when the last one passed or there was none. */
  readonly failingSinceMs: number | undefined;
  readonly failures: number;
  /** Whether a check has passed since the last failure. */
  readonly isOnline: boolean;
  readonly error: string | undefined;
}

export interface Situation {
  readonly nowMs: number;
  readonly servers: readonly Watched[];
  /** Ids of the tenants that no server would take a request of. */
  readonly unroutable: readonly string[];
}

export interface AlertOptions {
  /** How long all checks of a server must have failed. */
  readonly offlineAfterMs: number;
}

/** How long the fleet must have been down, or a tenant unroutable. */
const HOLD_MS = 10_000;
const CHECKS_MIN = 3;
/** One thing's beginning comes at most once in this time. */
const REPEAT_MS = 300_000;
const LISTED_MAX = 1_000;

const FLEET = "fleet";

/** What has begun and not ended, with how long ago it began. Comes from the registry after a restart. */
export interface OpenAlert {
  readonly thing: string;
  readonly agoMs: number;
  readonly isOpen: boolean;
}

/** One slum's memory of its alerts. Pure: `step` is all that changes it, and time comes with the situation. */
export class Alerts {
  readonly #options: AlertOptions;
  readonly #open = new Set<string>();
  /** Monotonic time of each thing's last beginning. */
  readonly #begunMs = new Map<string, number>();
  /** Since when the condition of a thing holds without a break. */
  readonly #heldMs = new Map<string, number>();

  constructor(options: AlertOptions, known: readonly OpenAlert[], nowMs: number) {
    this.#options = options;
    for (const { thing, agoMs, isOpen } of known) {
      if (isOpen) this.#open.add(thing);
      this.#begunMs.set(thing, nowMs - Math.max(0, agoMs));
    }
  }

  get open(): ReadonlySet<string> {
    return this.#open;
  }

  /** What has begun or ended since the last step, in the order in which it is to be told. */
  step(situation: Situation): Alert[] {
    const alerts = [...this.#fleetDown(situation), ...this.#servers(situation), ...this.#fleetUp(situation)];
    return [...alerts, ...this.#tenants(situation)];
  }

  *#servers({ nowMs, servers }: Situation): Generator<Alert> {
    for (const server of servers) {
      const thing = `server ${server.id}`;
      const { failingSinceMs, failures } = server;
      if (this.#open.has(thing)) {
        if (server.isOnline) yield this.#end("server.online", thing, describe(server));
      } else if (failingSinceMs !== undefined && failures >= CHECKS_MIN && server.isOffline) {
        if (nowMs - failingSinceMs >= this.#options.offlineAfterMs && this.#mayBegin(thing, nowMs)) {
          const data = {
            ...describe(server),
            error: server.error,
            failing_for_secs: secs(nowMs - failingSinceMs),
          };
          yield this.#begin("server.offline", [thing], nowMs, data);
        }
      }
    }
    const known = new Set(servers.map(({ id }) => `server ${id}`));
    // A deleted server has no end that anybody waits for; told all the same, as its beginning was.
    for (const thing of this.#open) {
      if (!thing.startsWith("server ") || known.has(thing)) continue;
      yield this.#end("server.online", thing, { server: thing.slice("server ".length), deleted: true });
    }
  }

  *#fleetDown({ nowMs, servers }: Situation): Generator<Alert> {
    const fleet = servers.filter(({ drained }) => !drained);
    const isDown = fleet.length > 0 && fleet.every(({ isOffline }) => isOffline);
    if (!this.#holds(FLEET, isDown, nowMs) || this.#open.has(FLEET) || !this.#mayBegin(FLEET, nowMs)) return;
    const listed = fleet.slice(0, LISTED_MAX).map(describe);
    yield this.#begin("fleet.down", [FLEET], nowMs, { servers: listed, total: fleet.length });
  }

  *#fleetUp({ servers }: Situation): Generator<Alert> {
    if (!this.#open.has(FLEET)) return;
    const online = servers.filter(({ isOnline, drained }) => isOnline && !drained);
    if (online.length === 0) return;
    yield this.#end("fleet.up", FLEET, {
      servers: online.slice(0, LISTED_MAX).map(describe),
      total: online.length,
    });
  }

  *#tenants({ nowMs, servers, unroutable }: Situation): Generator<Alert> {
    const now = new Set(unroutable.map((id) => `tenant ${id}`));
    const fleetIsDown =
      this.#open.has(FLEET) ||
      (servers.length > 0 && servers.every(({ isOffline, drained }) => isOffline || drained));
    const back = [...this.#open].filter((thing) => thing.startsWith("tenant ") && !now.has(thing));
    for (const thing of back) this.#open.delete(thing);
    if (back.length > 0) yield { type: "tenants.routable", things: back, data: listTenants(back) };
    for (const thing of this.#heldMs.keys())
      if (thing.startsWith("tenant ") && (fleetIsDown || !now.has(thing))) this.#heldMs.delete(thing);
    if (fleetIsDown) return;
    const begun = [...now].filter(
      (thing) => this.#holds(thing, true, nowMs) && !this.#open.has(thing) && this.#mayBegin(thing, nowMs),
    );
    if (begun.length > 0) yield this.#begin("tenants.unroutable", begun, nowMs, listTenants(begun));
  }

  /** Whether a condition has held for long enough. */
  #holds(thing: string, isSo: boolean, nowMs: number): boolean {
    if (!isSo) this.#heldMs.delete(thing);
    else if (!this.#heldMs.has(thing)) this.#heldMs.set(thing, nowMs);
    return isSo && nowMs - (this.#heldMs.get(thing) ?? nowMs) >= HOLD_MS;
  }

  #mayBegin(thing: string, nowMs: number): boolean {
    return nowMs - (this.#begunMs.get(thing) ?? Number.NEGATIVE_INFINITY) >= REPEAT_MS;
  }

  #begin(type: AlertType, things: readonly string[], nowMs: number, data: Alert["data"]): Alert {
    for (const [thing, atMs] of this.#begunMs)
      if (!this.#open.has(thing) && nowMs - atMs >= REPEAT_MS) this.#begunMs.delete(thing);
    for (const thing of things) {
      this.#open.add(thing);
      this.#begunMs.set(thing, nowMs);
    }
    return { type, things, data };
  }

  #end(type: AlertType, thing: string, data: Alert["data"]): Alert {
    this.#open.delete(thing);
    return { type, things: [thing], data };
  }
}

export function isBeginning(type: AlertType): boolean {
  return type === "server.offline" || type === "fleet.down" || type === "tenants.unroutable";
}

function describe({ id, url, region }: Watched) {
  return { server: id, url, ...(region !== undefined && { region }) };
}

function listTenants(things: readonly string[]) {
  const ids = things.map((thing) => thing.slice("tenant ".length));
  return { tenants: ids.slice(0, LISTED_MAX), total: ids.length };
}

function secs(ms: number): number {
  return Math.round(ms / 1000);
}
