// The data plane inside the program's own process: one listener, one table, one set of counters.

import { createSelection } from "../../core/round-robin.ts";
import type { Route, Target } from "../../core/route.ts";
import { createRouteTable } from "../../core/route-table.ts";
import { clientAddress, createTrust } from "../../core/trusted-proxies.ts";
import { systemClock } from "../../platform/time/clock.ts";
import { ownAnswer } from "../answers.ts";
import type { DataPlane, DataPlaneOptions } from "../data-plane.ts";
import type { RequestState } from "../forward/choose-target.ts";
import { createForwarder } from "../forward/forward.ts";
import { createHttpTransport } from "../forward/http-transport.ts";
import { createInFlight, type Load } from "../forward/in-flight.ts";
import { createWaitingRoom } from "../forward/waiting.ts";
import { createUpgrades } from "../forward/websocket.ts";
import type { Upstream } from "../http-client.ts";
import { TrialCounters } from "../trial-counters.ts";
import { createRequestHandler } from "./handler.ts";
import { createListener } from "./listener.ts";

export interface InProcessPlane extends DataPlane {
  /** The counters themselves, of every target that has some. */
  loads(): Iterable<Load>;
}

/** Listens at once, with an empty table. Owns and disposes the upstream client. Throws what listening throws. */
export function createInProcessPlane(options: DataPlaneOptions, upstream: Upstream): InProcessPlane {
  const clock = options.clock ?? systemClock;
  const isTrusted = createTrust(options.trustedProxies);
  const selection = createSelection(Math.random, options.phase);
  const clientOf = (request: Request, peer: string) =>
    clientAddress(peer, request.headers.get("x-forwarded-for"), isTrusted);
  const inFlight = createInFlight(clock, ({ request, peer }) => clientOf(request, peer));
  const trials = new TrialCounters();
  const waiting = createWaitingRoom(clock);
  let table = tableOf([], undefined);

  function tableOf(routes: readonly Route[], defaultRoute: string | undefined) {
    return createRouteTable(routes, { ...options, defaultRoute });
  }

  const endsConnection = ({ said }: RequestState) => listener.endsConnection(said.connection);
  const setIdleLimit = (request: Request, isLimited: boolean) => listener.setIdleLimit(request, isLimited);
  const { fields, hooks } = options;
  const http = createHttpTransport({ clock, upstream, fields, hooks, endsConnection, setIdleLimit });
  const upgrades = createUpgrades({
    clock,
    fields,
    hooks,
    upgrade: (request, tunnel, headers) => listener.upgrade(request, tunnel, headers),
  });
  const forwarder = createForwarder({
    selection,
    inFlight,
    trials,
    waiting,
    clock,
    hooks,
    fields,
    table: () => table,
    endsConnection,
    clientOf,
    setIdleLimit,
  });
  const viaName = options.viaName ?? `proxy-${crypto.randomUUID().slice(0, 13)}`;
  const listener = createListener({
    host: options.host,
    port: options.port,
    reusePort: options.reusePort ?? false,
    clock,
    handle: createRequestHandler({
      options,
      forwarder,
      http,
      websocket: upgrades.carrier,
      viaName,
      isTrusted,
      maySee: createTrust(options.directFrom ?? []),
      table: () => table,
    }),
    onError(error) {
      hooks.onDefect?.(error);
      return ownAnswer("internal", null, undefined);
    },
  });

  async function close(deadlineMs: number): Promise<void> {
    waiting.close();
    inFlight.close();
    void upgrades.sendAway(undefined, deadlineMs / 2);
    await listener.close(deadlineMs);
    await upstream[Symbol.asyncDispose]();
  }

  return {
    url: listener.url,
    async publish(routes, defaultRoute) {
      table = tableOf(routes, defaultRoute);
      waiting.review(table);
      const targets = routes.flatMap((route) => route.targets);
      upstream.retain(targets.filter(({ readiness }) => readiness !== "out").map(({ address }) => address));
      inFlight.retain(new Map(targets.map((target) => [target.id, placeOf(target)])));
      trials.retain(new Set(routes.filter(({ trial }) => trial !== undefined).map(({ name }) => name)));
      selection.retain(table.routes);
      forwarder.retain(table.routes);
    },
    async drain(targetId, deadlineMs) {
      void upgrades.sendAway(targetId, deadlineMs / 2);
      return { left: await inFlight.of(targetId).drained(deadlineMs) };
    },
    traffic: () => Array.from(inFlight.all(), (load) => load.traffic()),
    busy: () => Array.from(inFlight.busy(), (load) => load.traffic()),
    takeTrials: () => trials.take(),
    loads: inFlight.all,
    close,
    leave: close,
    [Symbol.asyncDispose]: () => close(0),
  };
}

/** Where a target's new requests go; undefined while it gets none. */
function placeOf({ readiness, address }: Target): string | undefined {
  return readiness === "ready" || readiness === "unsure" ? `${address.host} ${address.port}` : undefined;
}
