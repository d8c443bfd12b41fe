// An empty registry beside a filled one: most likely the wrong one of two, or one that is still to be moved into.
import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";
import { shownDatabase } from "../../platform/storage/postgres-url.ts";
import type { DataPaths } from "./paths.ts";
import type { Registry } from "./registry.ts";
import type { Snapshot } from "./snapshot.ts";

/** What to tell the operator; undefined when the registry has something, or nothing else has. */
export function filledBeside(
  registry: Pick<Registry, "servers" | "tenants">,
  database: string,
  paths: DataPaths,
  last: Snapshot | undefined,
): string | undefined {
  if (registry.servers.size + registry.tenants.size > 0) return undefined;
  const empty = `the registry ${shownDatabase(database)} is empty, and no domain is served`;
  const own = database === paths.database ? undefined : countRows(paths.database);
  if (own !== undefined && own.servers + own.tenants > 0)
    return `${empty}; ${paths.database} has ${counted(own)}. To move them here: slum import --from ${paths.database}`;
  if (last === undefined || last.servers.length + last.tenants.length === 0) return undefined;
  const before = { servers: last.servers.length, tenants: last.tenants.length };
  const from = last.registry === undefined ? "the registry of the last run" : last.registry;
  return `${empty}; ${from} had ${counted(before)}. Is --db or SLUM_DB missing, or another than it was?`;
}

interface Counts {
  readonly servers: number;
  readonly tenants: number;
}

/** Undefined for what is no registry that can be read. */
function countRows(path: string): Counts | undefined {
  if (!existsSync(path)) return undefined;
  try {
    using database = new Database(path, { create: false, readwrite: true });
    const count = (table: string) =>
      Number((database.query(`SELECT count(*) AS count FROM ${table}`).get() as { count: number }).count);
    return { servers: count("servers"), tenants: count("tenants") };
  } catch {
    return undefined;
  }
}

function counted({ servers, tenants }: Counts): string {
  return `${servers} ${servers === 1 ? "server" : "servers"} and ${tenants} ${tenants === 1 ? "tenant" : "tenants"}`;
}
