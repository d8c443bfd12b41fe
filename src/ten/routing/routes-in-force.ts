// The routes in force: derived anew whenever something changes, and put into the one data plane that there is.
import { messageOf } from "../../core/fault.ts";
import type { Route } from "../../core/route.ts";
import type { ShadowCounts } from "../../core/shadow/shadow-counts.ts";
import type { DataPlane } from "../../proxy/data-plane.ts";
import type { TargetTraffic } from "../../proxy/traffic-counters.ts";
import type { TrialCounts } from "../../proxy/trial-counters.ts";
import type { FirstRoutes } from "../../proxy/workers/multi-process.ts";

export type OpenPlane = (first: FirstRoutes) => Promise<DataPlane>;

/** What publishes routes may ask of them. */
export interface RoutesInForce {
  /** Derives the routes anew and puts them into force; resolves when every later request sees them. Waits for `open`. */
  publish(): Promise<void>;
  /** The same soon: changes that come together, such as a hundred adoptions, are published once. */
  changed(): void;
  /** See DataPlane; nothing is in flight before the plane is open. */
  drain(target: string, deadlineMs: number): Promise<unknown>;
  traffic(): readonly TargetTraffic[];
  takeOwn(): ReadonlyMap<string, number>;
  busy(): readonly TargetTraffic[];
  takeTrials(): readonly TrialCounts[];
  takeShadows(): readonly ShadowCounts[];
  /** A route as it was last published. */
  routeOf(name: string): Route | undefined;
  /** Undefined before the plane is open. */
  readonly url: URL | undefined;
  /** Undefined also where https is not served. */
  readonly httpsUrl: URL | undefined;
  /** Opens the plane with what `derive` answers now, and publishes what it answers from then on. Throws what opening throws. */
  open(derive: () => FirstRoutes, openPlane: OpenPlane): Promise<DataPlane>;
}

export function createRoutesInForce(onTrouble: (text: string) => void): RoutesInForce {
  const opened = Promise.withResolvers<void>();
  let open: { readonly plane: DataPlane; readonly derive: () => FirstRoutes } | undefined;
  let published: readonly Route[] = [];
  let isScheduled = false;

  /** What workers ask before the plane is open is not done before it has the routes. */
  async function publish(): Promise<void> {
    if (!open) await opened.promise;
    if (!open) return;
    const { routes, defaultRoute } = open.derive();
    published = routes;
    await open.plane.publish(routes, defaultRoute);
  }

  return {
    publish,
    changed() {
      if (isScheduled) return;
      isScheduled = true;
      queueMicrotask(() => {
        isScheduled = false;
        publish().catch((thrown) => onTrouble(`routes: ${messageOf(thrown)}`));
      });
    },
    drain: async (target, deadlineMs) => open?.plane.drain(target, deadlineMs),
    traffic: () => open?.plane.traffic() ?? [],
    takeOwn: () => open?.plane.takeOwn() ?? new Map(),
    busy: () => open?.plane.busy() ?? [],
    takeTrials: () => open?.plane.takeTrials() ?? [],
    takeShadows: () => open?.plane.takeShadows() ?? [],
    routeOf: (name) => published.find((route) => route.name === name),
    get httpsUrl() {
      return open?.plane.httpsUrl;
    },
    get url() {
      return open?.plane.url;
    },
    async open(derive, openPlane) {
      const plane = await openPlane(derive());
      open = { derive, plane };
      opened.resolve();
      // Much may have happened meanwhile.
      await publish();
      return plane;
    },
  };
}
