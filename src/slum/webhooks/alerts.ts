// What is worth a webhook: beginnings and ends of trouble, from what is known at a moment of the registry's clock.
import type { Begun } from "../../webhooks/store.ts";
import type { AlertRow, ServerRow } from "../registry/schema.ts";

/** The types of messages that a receiver can ask for. */
export const ALERT_TYPES = [
  "server.offline",
  "server.online",
  "server.deleted",
  "fleet.down",
  "fleet.up",
  "tenants.unroutable",
  "tenants.routable",
  "certificate.expiring",
  "certificate.renewed",
] as const;
export type AlertType = (typeof ALERT_TYPES)[number];

export interface Alert {
  readonly type: AlertType;
  readonly data: Readonly<Record<string, unknown>>;
  /** The things that begin or end with it. */
  readonly things: readonly string[];
}

/** A server as the slums agree on it; times are of the registry's clock. */
export interface ObservedServer {
  readonly id: string;
  readonly url: string;
  readonly region: string | undefined;
  readonly drained: boolean;
  readonly isOffline: boolean;
  /** Time of the first of the failed checks in a row; undefined when the last one passed or there was none. */
  readonly failingSinceMs: number | undefined;
  readonly failures: number;
  /** Whether a check has passed since the last failure. */
  readonly isOnline: boolean;
  readonly error: string | undefined;
}

export interface Situation {
  readonly nowMs: number;
  readonly servers: readonly ObservedServer[];
  /** Ids of the tenants all of whose servers are offline. */
  readonly unroutable: readonly string[];
  /** Those too of whose servers none is known to be online. */
  readonly unsure: readonly string[];
  /** Whether there is such a tenant: one that was deleted has not become routable. */
  readonly hasTenant: (id: string) => boolean;
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

/** Things whose beginning was announced, by name: the registry's rows, as another slum may have done it. */
export type Announced = ReadonlyMap<string, Pick<AlertRow, "begunAt" | "open">>;

/** Keeps only since when conditions hold: the time, and what was announced so far, come with each step. */
export class Alerts {
  readonly #options: AlertOptions;
  /** Since when the condition of a thing holds without a break. */
  readonly #heldMs = new Map<string, number>();
  #announced: Announced = new Map();
  /** What this step has begun and ended. */
  readonly #now = new Map<string, boolean>();

  constructor(options: AlertOptions) {
    this.#options = options;
  }

  /**
   * What begins or ends now, in the order in which it is to be announced. Until it is in the registry the next step answers
   * the same.
   */
  step(situation: Situation, announced: Announced): Alert[] {
    this.#announced = announced;
    this.#now.clear();
    const alerts = [...this.#fleetDown(situation), ...this.#servers(situation), ...this.#fleetUp(situation)];
    return [...alerts, ...this.#tenants(situation)];
  }

  *#servers({ nowMs, servers }: Situation): Generator<Alert> {
    for (const server of servers) {
      const thing = `server ${server.id}`;
      const { failingSinceMs, failures } = server;
      if (this.#isOpen(thing)) {
        if (server.isOnline) yield this.#end("server.online", [thing], describe(server));
      } else if (failingSinceMs !== undefined && failures >= CHECKS_MIN && server.isOffline) {
        if (nowMs - failingSinceMs >= this.#options.offlineAfterMs && this.#mayBegin(thing, nowMs)) {
          const data = {
            ...describe(server),
            error: server.error,
            failing_for_secs: secs(nowMs - failingSinceMs),
          };
          yield this.#begin("server.offline", [thing], data);
        }
      }
    }
    const known = new Set(servers.map(({ id }) => `server ${id}`));
    // An end of its own, as nobody is to think that it is back.
    for (const thing of this.#openOnes("server ")) {
      if (known.has(thing)) continue;
      yield this.#end("server.deleted", [thing], { server: idOf(thing) });
    }
  }

  *#fleetDown({ nowMs, servers }: Situation): Generator<Alert> {
    const fleet = servers.filter(({ drained }) => !drained);
    const isDown = fleet.length > 0 && fleet.every(({ isOffline }) => isOffline);
    if (!this.#holds(FLEET, isDown, nowMs) || this.#isOpen(FLEET) || !this.#mayBegin(FLEET, nowMs)) return;
    const listed = fleet.slice(0, LISTED_MAX).map(describe);
    yield this.#begin("fleet.down", [FLEET], { servers: listed, total: fleet.length });
  }

  *#fleetUp({ servers }: Situation): Generator<Alert> {
    if (!this.#isOpen(FLEET)) return;
    const online = servers.filter(({ isOnline, drained }) => isOnline && !drained);
    if (online.length === 0) return;
    yield this.#end("fleet.up", [FLEET], {
      servers: online.slice(0, LISTED_MAX).map(describe),
      total: online.length,
    });
  }

  *#tenants({ nowMs, servers, unroutable, unsure, hasTenant }: Situation): Generator<Alert> {
    const now = new Set(unroutable.map((id) => `tenant ${id}`));
    const fleetIsDown =
      this.#isOpen(FLEET) ||
      (servers.length > 0 && servers.every(({ isOffline, drained }) => isOffline || drained));
    const doubtful = unsure === unroutable ? now : new Set(unsure.map((id) => `tenant ${id}`));
    const back = this.#openOnes("tenant ").filter((thing) => !doubtful.has(thing));
    if (back.length > 0) yield this.#end("tenants.routable", back, listEnded(back, hasTenant));
    for (const thing of this.#heldMs.keys())
      if (thing.startsWith("tenant ") && (fleetIsDown || !now.has(thing))) this.#heldMs.delete(thing);
    if (fleetIsDown) return;
    const begun = [...now].filter(
      (thing) => this.#holds(thing, true, nowMs) && !this.#isOpen(thing) && this.#mayBegin(thing, nowMs),
    );
    if (begun.length > 0) yield this.#begin("tenants.unroutable", begun, listTenants(begun));
  }

  /** Whether a condition has held for long enough. */
  #holds(thing: string, isSo: boolean, nowMs: number): boolean {
    if (!isSo) this.#heldMs.delete(thing);
    else if (!this.#heldMs.has(thing)) this.#heldMs.set(thing, nowMs);
    return isSo && nowMs - (this.#heldMs.get(thing) ?? nowMs) >= HOLD_MS;
  }

  #mayBegin(thing: string, nowMs: number): boolean {
    const agoMs = nowMs - (this.#announced.get(thing)?.begunAt ?? Number.NEGATIVE_INFINITY);
    // In the future: of a clock that was set back since.
    return agoMs >= REPEAT_MS || agoMs < 0;
  }

  #isOpen(thing: string): boolean {
    return this.#now.get(thing) ?? this.#announced.get(thing)?.open ?? false;
  }

  #openOnes(prefix: string): string[] {
    return [...this.#announced.keys()].filter((thing) => thing.startsWith(prefix) && this.#isOpen(thing));
  }

  #begin(type: AlertType, things: readonly string[], data: Alert["data"]): Alert {
    for (const thing of things) this.#now.set(thing, true);
    return { type, things, data };
  }

  #end(type: AlertType, things: readonly string[], data: Alert["data"]): Alert {
    for (const thing of things) this.#now.set(thing, false);
    return { type, things, data };
  }
}

/** Who hears that a server is offline and online again is to hear of this end too. */
export function alsoTo(type: AlertType): AlertType | undefined {
  return type === "server.deleted" ? "server.online" : undefined;
}

/** One sentence for people. */
export function alertText({ type, data }: Pick<Alert, "type" | "data">): string {
  const { server, url, error, servers, tenants, total, failing_for_secs: failing } = data;
  const names = listed((servers ?? tenants ?? []) as Named[], Number(total ?? 0));
  switch (type) {
    case "server.offline":
      return `server ${server} (${url}) is offline${failing === undefined ? "" : ` since ${failing} s`}${error === undefined ? "" : `: ${error}`}`;
    case "server.online":
      return `server ${server} (${url}) is online again`;
    case "server.deleted":
      return `server ${server}, which was offline, has been deleted`;
    case "fleet.down":
      return `no server is online: ${names}`;
    case "fleet.up":
      return `online again: ${names}`;
    case "tenants.unroutable":
      return `tenants without a server: ${names}`;
    case "tenants.routable":
      return `tenants that are served again: ${names}`;
    default:
      return `certificate of ${data.name}: ${data.detail}`;
  }
}

type Named = string | { readonly server: string };

const NAMED_MAX = 10;

function listed(names: readonly Named[], total: number): string {
  const shown = names.slice(0, NAMED_MAX).map((one) => (typeof one === "string" ? one : one.server));
  const more = Math.max(total, names.length) - shown.length;
  return `${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** What was announced and has not ended, as who is added now is told of it. `nowMs` is of the registry's clock. */
export function underWay(
  announced: ReadonlyMap<string, AlertRow>,
  servers: ReadonlyMap<string, Pick<ServerRow, "id" | "url" | "region" | "drained">>,
  nowMs: number,
  wallMs: number,
): Begun[] {
  const open = [...announced.values()].filter((row) => row.open);
  const fleet = [...servers.values()].filter(({ drained }) => !drained);
  const begun = (type: AlertType, data: Alert["data"], rows: readonly AlertRow[]): Begun => {
    const beganMs = Math.min(...rows.map(({ begunAt }) => begunAt));
    return {
      message: { type, text: alertText({ type, data }), data },
      atMs: wallMs - Math.max(0, nowMs - beganMs),
    };
  };
  const found: Begun[] = [];
  const tenants: AlertRow[] = [];
  for (const row of open) {
    const [kind] = row.thing.split(" ", 1);
    const id = idOf(row.thing);
    const server = servers.get(id);
    if (kind === "tenant") tenants.push(row);
    else if (kind === FLEET)
      found.push(
        begun("fleet.down", { servers: fleet.slice(0, LISTED_MAX).map(describe), total: fleet.length }, [
          row,
        ]),
      );
    else if (kind === "server" && server) found.push(begun("server.offline", describe(server), [row]));
    else if (kind === "certificate")
      found.push(begun("certificate.expiring", { name: id, detail: "is not renewed, and ends soon" }, [row]));
  }
  if (tenants.length > 0)
    found.push(begun("tenants.unroutable", listTenants(tenants.map(({ thing }) => thing)), tenants));
  return found;
}

export function isBeginning(type: AlertType): boolean {
  return type === "server.offline" || type === "fleet.down" || type === "tenants.unroutable";
}

function describe({ id, url, region }: { id: string; url: string; region?: string | null | undefined }) {
  return { server: id, url, ...(region != null && { region }) };
}

function listEnded(things: readonly string[], hasTenant: (id: string) => boolean) {
  const gone = things.filter((thing) => !hasTenant(idOf(thing)));
  if (gone.length === 0) return listTenants(things);
  const back = things.filter((thing) => hasTenant(idOf(thing)));
  return { ...listTenants(back), deleted: listTenants(gone).tenants };
}

/** `server iad` and `tenant acme` without the first word. */
function idOf(thing: string): string {
  return thing.slice(thing.indexOf(" ") + 1);
}

function listTenants(things: readonly string[]) {
  const ids = things.map(idOf);
  return { tenants: ids.slice(0, LISTED_MAX), total: ids.length };
}

function secs(ms: number): number {
  return Math.round(ms / 1000);
}
