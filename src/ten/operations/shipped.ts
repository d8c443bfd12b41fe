// The builds that were shipped: which a version needs, which are in use, and which may go.
import { rm } from "node:fs/promises";
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { type Release, usesReleaseDir } from "../config/release.ts";
import type { Registry, ShippedRow } from "../registry/registry.ts";
import { type Context, rulesOf } from "./context.ts";

export function findShipped(registry: Registry, service: string, version: string): ShippedRow | undefined {
  return registry.shipped(service).find((row) => row.version === version);
}

/** Throws a not_found fault when that configuration needs a build that was never shipped. */
export function requireShipped(
  { registry }: Context,
  service: string,
  version: string,
  release: Release,
): void {
  if (!usesReleaseDir(release) || findShipped(registry, service, version)) return;
  const known = registry.shipped(service).map((row) => row.version);
  throw new Fault(
    "not_found",
    `${instanceName(service, version)} cannot start: ${service} uses {release_dir}, and ${version} was never shipped${known.length > 0 ? ` (${known.join(", ")} ${known.length > 1 ? "were" : "was"})` : ""}`,
    `ship it: ten deploy ${service} --version ${version} --dir DIRECTORY, or --file ARCHIVE`,
  );
}

/** Throws a conflict fault when a version was shipped with another content than this. */
export function requireNoOther({ service, version, digest, actor }: ShippedRow, found: string): void {
  if (digest === found) return;
  throw new Fault(
    "conflict",
    `${version} of ${service} was shipped before with another content (${digest}${actor === null ? "" : `, by ${actor}`}), and this is ${found}`,
    "a version is one content for ever: give this one another --version",
  );
}

/** What a new instance is of where nobody says it: with shipped builds the version that was deployed last; else what its id is. */
export function versionOnDemand(
  { registry }: Context,
  service: string,
  id: string,
  release: Release,
): string {
  if (!usesReleaseDir(release) || findShipped(registry, service, id)) return id;
  const deployed = registry
    .list(service)
    .filter((row) => findShipped(registry, service, row.version))
    .sort((a, b) => b.deployed - a.deployed);
  return deployed[0]?.version ?? registry.shipped(service).at(-1)?.version ?? id;
}

/** The names of the instances, stopped ones too, that are of a build. */
export function usersOf(registry: Registry, { service, version }: ShippedRow): string[] {
  return registry
    .list(service)
    .filter((row) => row.version === version)
    .map((row) => instanceName(service, row.id));
}

/** Removes builds that no instance is of, but the newest `keep_releases` of them; returns their versions. */
export async function pruneShipped(context: Context, service: string): Promise<string[]> {
  const { registry } = context;
  const { keepReleases } = rulesOf(context, service);
  const unused = registry.shipped(service).filter((row) => usersOf(registry, row).length === 0);
  const old = unused.slice(0, Math.max(0, unused.length - keepReleases));
  for (const row of old) await removeShipped(context, row, "no longer used");
  return old.map((row) => row.version);
}

/** The row goes first, and for good: a death in between leaves a directory that is swept at the next start. */
async function removeShipped({ registry, paths }: Context, row: ShippedRow, reason: string): Promise<void> {
  const { service, version } = row;
  await registry.write((writer) => writer.removeShipped(row, reason));
  await registry.kept();
  await rm(paths.release(service, version), { recursive: true, force: true });
  await rm(paths.setupLog(service, version), { force: true });
}
