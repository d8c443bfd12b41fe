// What an instance's traffic belongs to besides itself: its version and its service.
import { parseInstance } from "../../core/name.ts";
import { isOwnCount, readOwnCount } from "../../proxy/own-counts.ts";
import type { Registry } from "../registry/registry.ts";

/** By the name of an instance. One that is gone still has its service. */
export function groupsIn(registry: Pick<Registry, "find">): (target: string) => readonly string[] {
  return (target) => {
    const own = readOwnCount(target);
    if (own !== undefined) return own.isCounted ? [] : [own.route];
    const { service, id } = parseInstance(target);
    const version = registry.find(service, id)?.version;
    return version === undefined ? [service] : [service, versionName(service, version)];
  };
}

/** Services and versions stay, and what the proxy answered itself; single instances do not. */
export function isLasting(name: string): boolean {
  return !name.includes(":") || isOwnCount(name);
}

/** A version in the history: `api/v2`. */
export function versionName(service: string, version: string): string {
  return `${service}/${version}`;
}
