// `slum import`: a document of `slum export`, or another registry, into this one.
import { readFileSync } from "node:fs";
import { flag, maybeWord, option } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { Fault, messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { systemClock } from "../../platform/time/clock.ts";
import type { ImportView } from "../api/shapes.ts";
import { placeArgs } from "./place.ts";
import { countsText, transferFor } from "./transfer-for.ts";

export default command({
  name: "import",
  summary: "Take in a file of export, or another registry, all of it or nothing",
  description:
    "What is there already as the file has it stays, so that it may be run again; what is other is refused with its name, unless --replace. Nothing is deleted. With --from it comes straight from another registry, a slum.db that may be in use or postgres://..., secrets and tokens included: this is how a registry moves to PostgreSQL. It goes through the running slum, or into the registry itself when none runs.",
  examples: [
    ["slum import registry.json", "what slum export has written"],
    ["SLUM_DB=postgres://... slum import --from /var/lib/slum/slum.db", "from SQLite to PostgreSQL"],
    ["slum import registry.json --dry-run", "what it would do"],
  ],
  args: {
    file: maybeWord("The file; - for stdin", { hint: "FILE" }),
    from: option("Another registry instead of a file", { hint: "DB" }),
    fromKeyFile: option("The key of its secrets; registry_key beside it unless given", { hint: "FILE" }),
    replace: flag("Make what is other as the file has it"),
    dryRun: flag("Tell what would be done, and do nothing"),
    ...placeArgs,
  },
  async run(context) {
    const { args, out } = context;
    if ((args.file === undefined) === (args.from === undefined))
      throw new Fault(
        "usage",
        "slum import needs a FILE, or --from a registry",
        "for example: slum import registry.json",
      );
    using progress = out.progress(`reading ${args.from ?? args.file}`);
    const document =
      args.from === undefined
        ? readDocument(args.file ?? "-")
        : await readRegistry(args.from, args.fromKeyFile);
    progress.update("taking it in");
    await using transfer = await transferFor(context, args);
    const done = await transfer.import(document, { replace: args.replace, dryRun: args.dryRun });
    progress.done();
    out.data({ ...done }, () => describe(done));
    for (const { id } of done.secrets)
      out.warn(`the file has no secret for ${id}; tell its receiver the new one`);
    return 0;
  },
});

function readDocument(file: string): object {
  try {
    const value = JSON.parse(readFileSync(file === "-" ? 0 : file, "utf8")) as unknown;
    if (typeof value === "object" && value !== null) return value;
    throw new Error("it is no JSON object");
  } catch (thrown) {
    throw new Fault(
      "usage",
      `${quote(file)} cannot be read: ${messageOf(thrown)}`,
      "give a file of slum export",
    );
  }
}

async function readRegistry(database: string, keyFile: string | undefined): Promise<object> {
  const { readRegistryDocument } = await import("../api/offline.ts");
  return readRegistryDocument(database, keyFile, systemClock);
}

function describe({ added, replaced, unchanged, dry_run, secrets }: ImportView): string {
  if (unchanged) return "nothing to do: everything is here as the file has it\n";
  const lines = [
    `${dry_run ? "would add" : "added"} ${countsText(added)}`,
    ...(replaced.servers + replaced.tenants + replaced.webhooks > 0
      ? [`${dry_run ? "would replace" : "replaced"} ${countsText(replaced)}`]
      : []),
    ...secrets.map(({ id, secret }) => `\nSigning secret of ${id} (shown once):\n\n  ${secret}`),
  ];
  return `${lines.join("\n")}\n`;
}
