// The data plane inside the program's own process: one listener, one table, one set of counters.

import { createSelection } from "../../core/round-robin.ts";
import type { Route, Target } from "../../core/route.ts";
import { createRouteTable } from "../../core/route-table.ts";
import { createTrust } from "../../core/trusted-proxies.ts";
import { createLineWriter } from "../../platform/logs/line-writer.ts";
import { type Clock, systemClock } from "../../platform/time/clock.ts";
import { AccessLog } from "../access-log.ts";
import { type AccessLogOptions, type DataPlane, type DataPlaneOptions, NOTHING_LEFT } from "../data-plane.ts";
import { Forwarder } from "../forward/forward.ts";
import { createInFlight, type Load } from "../forward/in-flight.ts";
import { ShadowCopies } from "../forward/shadow-copies.ts";
import { createTries, sendAway } from "../forward/tries.ts";
import { createWaitingRoom } from "../forward/waiting.ts";
import { DROPPED_LINES, OwnCounts } from "../own-counts.ts";
import { ShadowCounters } from "../shadow-counters.ts";
import { TrialCounters } from "../trial-counters.ts";
import type { PooledUpstream } from "../upstream/upstream.ts";
import { createRequestHandler, remembered } from "./handler.ts";
import type { Listener } from "./listener.ts";
import { garbageNotice, Notices } from "./notices.ts";
import { closingOnFailure, openListeners } from "./open-listeners.ts";
import { OwnHosts, openPrivateDoor } from "./own-hosts.ts";

export interface InProcessPlane extends DataPlane {
  /** The counters themselves, of every target that has some. */
  loads(): Iterable<Load>;
  /** Accepts no more connections; those that are open go on. A socket that was given as `listenerFd` lives on where others hold it. */
  stopAccepting(): void;
  /** Handlers for connections that are accepted elsewhere, as after a TLS handshake. */
  socketHandlers: Listener["socketHandlers"];
}

/** Listens at once, with an empty table. Owns and disposes the upstream client. Throws what listening throws. */
export function createInProcessPlane(options: DataPlaneOptions, upstream: PooledUpstream): InProcessPlane {
  const clock = options.clock ?? systemClock;
  const { fields, hooks } = options;
  const isTrusted = remembered(createTrust(options.trustedProxies));
  const selection = createSelection(Math.random, options.phase);
  const inFlight = createInFlight(clock);
  const ownCounts = new OwnCounts();
  const trials = new TrialCounters();
  const shadows = new ShadowCounters();
  const waiting = createWaitingRoom(clock);
  let table = tableOf([], undefined);

  function tableOf(routes: readonly Route[], defaultRoute: string | undefined) {
    return createRouteTable(routes, { ...options, defaultRoute });
  }

  const notices = new Notices(clock, (text, target) => hooks.onNotice?.(text, target));
  const onGarbage = (id: string, why: string) => notices.tell(`garbage ${id}`, garbageNotice(id, why), id);
  const tries = createTries({ clock, upstream, hooks, fields, onGarbage });
  const copies =
    fields.shadow === undefined
      ? undefined
      : new ShadowCopies({ clock, upstream, counters: shadows, field: fields.shadow, table: () => table });
  const forwarder = new Forwarder({
    copies,
    selection,
    inFlight,
    own: ownCounts,
    trials,
    waiting,
    clock,
    hooks,
    fields,
    tries,
    table: () => table,
    notices,
  });
  const accessLog = openAccessLog(options.accessLog, clock, (lines) => ownCounts.add(DROPPED_LINES, lines));
  const { ownElsewhere } = options;
  const door = ownElsewhere === undefined ? openPrivateDoor(options.directory, hooks) : undefined;
  const own = new OwnHosts({ tries, clock, socket: door?.socket ?? "", ...ownElsewhere });
  const viaName = options.viaName ?? `proxy-${crypto.randomUUID().slice(0, 13)}`;
  const onDefect = (error: Error) => hooks.onDefect?.(error);
  const { listener, https } = closingOnFailure(door, () =>
    openListeners(options, {
      upstream,
      clock,
      notices,
      isTrusted,
      onDefect,
      requests: (rules) =>
        createRequestHandler({
          options,
          courier: forwarder,
          own,
          viaName,
          https: rules,
          isTrusted,
          maySelect: createTrust(options.selectorFrom ?? []),
          maySee: createTrust(options.directFrom ?? []),
          table: () => table,
          notices,
          accessLog: accessLog?.log,
          count: (route, reason) => forwarder.count(route, reason, false),
        }),
    }),
  );

  async function close(deadlineMs: number): Promise<void> {
    waiting.close();
    copies?.close();
    inFlight.close();
    void sendAway(tries, undefined, deadlineMs);
    await listener.close(deadlineMs);
    await https?.close();
    await upstream[Symbol.asyncDispose]();
    accessLog?.lines[Symbol.dispose]();
    await door?.close();
  }

  return {
    url: listener.url,
    httpsUrl: https?.url,
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
      void sendAway(tries, targetId, deadlineMs);
      return { left: await inFlight.of(targetId).drained(deadlineMs) };
    },
    traffic: () => Array.from(inFlight.all(), (load) => load.traffic()),
    takeOwn: () => ownCounts.take(),
    busy: () => Array.from(inFlight.busy(), (load) => load.traffic()),
    takeTrials: () => trials.take(),
    takeShadows: () => shadows.take(),
    loads: inFlight.all,
    stopAccepting: () => listener.stopAccepting(),
    socketHandlers: (isTls) => listener.socketHandlers(isTls),
    close,
    async leave(deadlineMs) {
      await close(deadlineMs);
      return NOTHING_LEFT;
    },
    [Symbol.asyncDispose]: () => close(0),
  };
}

function openAccessLog(
  options: AccessLogOptions | undefined,
  clock: Clock,
  onDropped: (lines: number) => void,
) {
  if (options === undefined) return undefined;
  const log = new AccessLog({ options, clock, write: (bytes, length) => lines.add(bytes, length) });
  const lines = createLineWriter({ path: options.path, clock, onDropped, onTurn: () => log.makeLines() });
  return { lines, log };
}

/** Where a target's new requests go; undefined while it gets none. */
function placeOf({ readiness, address }: Target): string | undefined {
  return readiness === "ready" || readiness === "unsure" ? `${address.host} ${address.port}` : undefined;
}
