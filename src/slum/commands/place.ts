// Which registry a command means that does not go through a running slum: by flag, by SLUM_DB, or the file in the data directory.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { option } from "../../cli/argument.ts";
import type { BackupParts } from "../../cli/backup-command.ts";
import type { Context } from "../../cli/command.ts";
import { Fault } from "../../core/fault.ts";
import { isPostgresUrl, withoutPassword } from "../../platform/storage/postgres-url.ts";
import { type DataPaths, dataDirOf, dataPaths } from "../registry/paths.ts";
import { migrations } from "../registry/sqlite/migrations.ts";

export interface Place {
  readonly paths: DataPaths;
  readonly database: string;
}

/** Arguments of commands that go without slum too. */
export const placeArgs = {
  db: option("The registry, when no slum runs and it is not in the data directory; also SLUM_DB", {
    hint: "DB",
  }),
  keyFile: option("The key of its secrets, when no slum runs; also SLUM_KEY_FILE", { hint: "FILE" }),
};

export function placeOf({ globals, env }: Pick<Context, "globals" | "env">, db: string | undefined): Place {
  const paths = dataPaths(dataDirOf(globals.dataDir, env));
  const named = db ?? env.SLUM_DB ?? paths.database;
  return { paths, database: isPostgresUrl(named) ? named : resolve(named) };
}

export const backupParts: BackupParts = {
  program: "slum",
  migrations,
  placeOf(context) {
    const { paths, database } = placeOf(context, undefined);
    if (!isPostgresUrl(database)) return { directory: paths.root, database };
    throw new Fault(
      "usage",
      `the registry is ${withoutPassword(database)}, which its own tools back up`,
      "pg_dump, or what the provider offers; slum export FILE works with any registry",
    );
  },
  besides(directory) {
    const { registryKey } = dataPaths(directory);
    return existsSync(registryKey)
      ? `the signing secrets of receivers in it need the key ${registryKey}: keep a copy of that apart`
      : undefined;
  },
};
