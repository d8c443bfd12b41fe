// `ten restore`.
import { restoreCommand } from "../../cli/backup-command.ts";
import { backupParts } from "./place.ts";

export default restoreCommand(backupParts);
