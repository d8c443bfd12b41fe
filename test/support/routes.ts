// Routes for tests: everything has a default, a test says only what it is about.
import type { Route, RoutePolicy, Target } from "../../src/core/route.ts";

export const POLICY: RoutePolicy = {
  direct: "open",
  requestTimeoutMs: 30_000,
  streamIdleTimeoutMs: 300_000,
  waitMs: 30_000,
  maxBodyBytes: 0,
};

/** A target named `api:v1`, ready, with full weight. */
export function target(id: string, changes: Partial<Target> = {}): Target {
  return {
    id,
    label: id.slice(id.indexOf(":") + 1),
    address: { host: "127.0.0.1", port: 1 },
    weight: 10_000,
    readiness: "ready",
    ...changes,
  };
}

type RouteChanges = Partial<Omit<Route, "policy">> & { readonly policy?: Partial<RoutePolicy> };

export function route(name: string, targets: readonly Target[], changes: RouteChanges = {}): Route {
  return { name, hosts: [], epoch: 1, ...changes, targets, policy: { ...POLICY, ...changes.policy } };
}
