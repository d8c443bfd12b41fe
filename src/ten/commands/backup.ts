// `ten backup`.
import { backupCommand } from "../../cli/backup-command.ts";
import { backupParts } from "./place.ts";

export default backupCommand(backupParts);
