// Instances on demand: a request for one that was never spawned brings it to life, within bounds.
import { BoundedMap } from "../../core/bounded-map.ts";
import { Fault } from "../../core/fault.ts";
import { visitorNetwork } from "../../core/ip-address.ts";
import { instanceName } from "../../core/name.ts";
import type { Wanted } from "../../proxy/data-plane.ts";
import type { Service } from "../config/service.ts";
import type { InstanceRow } from "../registry/registry.ts";
import type { Context } from "./context.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Removal } from "./removal.ts";
import { versionOnDemand } from "./shipped.ts";

/** One visitor creates at most one instance in this time. */
const EVERY_MS = 1_000;
/** All of them together so many in that time: a stranger may have a thousand networks. */
const ALL_AT_ONCE = 10;
/** Addresses remembered at once; the oldest is forgotten first. */
const CLIENTS_MAX = 10_000;

/**
 * Creates the instance that a request names, without weight. Settles when it has been spawned (its health is the
 * request's to wait for); rejects when it may not be made now. Undefined when its service makes none on demand, or there is one: what
 * an operator stopped is never revived. There is none before the routes to it are in force: who asks meanwhile would find no such instance.
 */
export function createOnDemand(context: Context, lifecycle: Lifecycle, removal: Pick<Removal, "evict">) {
  const { registry, clock, config } = context;
  const lastByClient = new BoundedMap<string, number>(CLIENTS_MAX);
  const making = new Map<string, Promise<void>>();
  /** Times of the last ones that were made, the oldest first. */
  const lately: number[] = [];

  return ({ route, label: id, client }: Wanted): Promise<void> | undefined => {
    const service = config().services.get(route);
    if (id === undefined || !service?.policy.onDemand) return undefined;
    const name = instanceName(service.name, id);
    const known = making.get(name);
    if (known) return known;
    if (registry.find(service.name, id) || !mayBeMade(service, id)) return undefined;
    const made = make(service, id, client).finally(() => making.delete(name));
    making.set(name, made);
    return made;
  };

  async function make(service: Service, id: string, client: string): Promise<void> {
    requireTurn(client);
    await makeRoom(service);
    const version = versionOnDemand(context, service.name, id, service.release);
    await lifecycle.spawn({ service: service.name, id, version, weight: 0, onDemand: true });
  }

  function requireTurn(client: string): void {
    const nowMs = clock.monotonic();
    const visitor = visitorNetwork(client);
    if (nowMs - (lastByClient.get(visitor) ?? Number.NEGATIVE_INFINITY) < EVERY_MS)
      throw new Fault("too_many", "this address has just created an instance");
    while (lately[0] !== undefined && nowMs - lately[0] >= EVERY_MS) lately.shift();
    if (lately.length >= ALL_AT_ONCE)
      throw new Fault("too_many", "many instances have just been created; ask again in a second");
    lastByClient.set(visitor, nowMs);
    lately.push(nowMs);
  }

  /** Beyond the bound the instance that has slept longest goes; when none sleeps, there is no room. */
  async function makeRoom(service: Service): Promise<void> {
    const { name, maxInstances } = service;
    const running = registry.list(name).filter((row) => row.desired === "running");
    const coming = [...making.keys()].filter(
      (one) => one.startsWith(`${name}:`) && !running.some((row) => one === instanceName(name, row.id)),
    );
    if (running.length + coming.length < maxInstances) return;
    const longestAsleep = running.filter(mayGo).sort((a, b) => a.stateAt - b.stateAt)[0];
    if (!longestAsleep) throw new Fault("conflict", `${name} has max_instances = ${maxInstances} instances`);
    // Woken meanwhile it stays, and another one may go.
    if (!(await removal.evict(name, longestAsleep.id))) return makeRoom(service);
  }
}

function mayBeMade({ onDemandIds }: Service, id: string): boolean {
  return onDemandIds === undefined || new RegExp(`^(?:${onDemandIds})$`, "v").test(id);
}

/** For a stranger only what strangers have made goes; of rows of older versions it is not known who made them. */
function mayGo({ state, weight, origin }: InstanceRow): boolean {
  return state === "sleeping" && weight === 0 && (origin === "demand" || origin === null);
}
