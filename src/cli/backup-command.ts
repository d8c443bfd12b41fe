// `backup` and `restore` of both programs: a copy of the registry while it is in use, and a copy put in its place.

import { statSync } from "node:fs";
import { resolve } from "node:path";
import { claimDirectory } from "../platform/storage/data-directory.ts";
import { backUp, type Migration, restore } from "../platform/storage/database.ts";
import { word } from "./argument.ts";
import { type Command, type Context, command } from "./command.ts";
import { formatBytes } from "./format.ts";

export interface BackupParts {
  /** `ten` or `slum`: whose server holds the directory. */
  readonly program: string;
  readonly migrations: readonly Migration[];
  /** Where the registry is, and its directory; throws a Fault where it is no file. */
  readonly placeOf: (context: Context) => { readonly directory: string; readonly database: string };
  /** What else belongs to it, in a sentence; undefined when nothing does. */
  readonly besides: (directory: string) => string | undefined;
}

const file = word("The file", { hint: "FILE" });

export function backupCommand({ program, placeOf, besides }: BackupParts): Command {
  return command({
    name: "backup",
    summary: "Copy the registry into a file, also while the server runs",
    description:
      "The copy is the registry at one moment, whole, readable by its owner only, and there once the command has returned. A file of that name is replaced.",
    examples: [[`${program} backup /var/backups/${program}.db`, "as of now; keep it on another machine"]],
    args: { file },
    run(context) {
      const { args, out } = context;
      const target = resolve(args.file);
      const { database, directory } = placeOf(context);
      backUp(database, target);
      const { size } = statSync(target);
      out.data({ file: target, bytes: size }, () => `${target}: ${formatBytes(size)}\n`);
      const more = besides(directory);
      if (more !== undefined) out.hint(more);
      return 0;
    },
  });
}

export function restoreCommand({ program, migrations, placeOf, besides }: BackupParts): Command {
  return command({
    name: "restore",
    summary: "Put a backup in the registry's place, while no server runs on it",
    description:
      "The backup is checked and brought to this program's version first; what it replaces stays beside it. Refused while the server runs. A backup of a newer program is refused.",
    examples: [[`${program} restore /var/backups/${program}.db`, `then start ${program} again`]],
    args: { file },
    run(context) {
      const { args, out } = context;
      const { database, directory } = placeOf(context);
      using claimed = claimDirectory(directory, { program });
      const before = restore(resolve(args.file), database, migrations) ?? null;
      claimed.keep();
      out.data({ database, before }, () => `${database} is as in ${args.file}\n`);
      if (before !== null) out.hint(`what was there before is in ${before}`);
      const more = besides(directory);
      if (more !== undefined) out.hint(more);
      return 0;
    },
  });
}
