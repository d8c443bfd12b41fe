// Where the registry is for a command that does not go through a running server.
import { existsSync } from "node:fs";
import type { BackupParts } from "../../cli/backup-command.ts";
import { dataPaths } from "../config/paths.ts";
import { migrations } from "../registry/migrations.ts";
import { dataDirOf } from "./connect.ts";

export const backupParts: BackupParts = {
  program: "ten",
  migrations,
  placeOf(context) {
    const { root, database } = dataPaths(dataDirOf(context));
    return { directory: root, database };
  },
  besides(directory) {
    const { registryKey } = dataPaths(directory);
    const key = existsSync(registryKey)
      ? `; the signing secrets of webhooks in it need the key ${registryKey}: keep a copy of that apart`
      : "";
    return `it is the registry alone; what apps keep, and their logs, lie in the directories below ${directory}${key}`;
  },
};
