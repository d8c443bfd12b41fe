// `slum export`: the whole registry as a JSON document.
import { resolve } from "node:path";
import { flag, maybeWord } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { writeAtomic } from "../../platform/storage/atomic-file.ts";
import { placeArgs } from "./place.ts";
import { countsText, transferFor } from "./transfer-for.ts";

export default command({
  name: "export",
  summary: "Write the whole registry into a file, for import elsewhere",
  description:
    "Servers with their health, tenants, receivers of webhooks, what waits for them, and what was announced, as JSON; with secrets also the tokens, by their hashes. It comes from the running slum, or from the registry itself when none runs. The file is for its owner only.",
  examples: [
    ["slum export registry.json", "without signing secrets and tokens"],
    ["slum export registry.json --with-secrets", "with them: to move, not to keep"],
    ["slum export | jq '.tenants | length'", "to stdout"],
  ],
  args: {
    file: maybeWord("The file; stdout unless given", { hint: "FILE" }),
    withSecrets: flag("With the receivers' signing secrets, and tokens"),
    ...placeArgs,
  },
  async run(context) {
    const { args, out } = context;
    await using transfer = await transferFor(context, args);
    const document = await transfer.export(args.withSecrets);
    const text = `${JSON.stringify(document, null, 1)}\n`;
    if (args.file === undefined || args.file === "-") {
      out.stdout.write(text);
      return 0;
    }
    const file = resolve(args.file);
    writeAtomic(file, text, 0o600);
    const count = (table: string) => (document[table] as unknown[] | undefined)?.length ?? 0;
    const counts = {
      servers: count("servers"),
      tenants: count("tenants"),
      webhooks: count("webhooks"),
      tokens: count("tokens"),
    };
    out.data({ file, ...counts }, () => `${file}: ${countsText(counts)}\n`);
    return 0;
  },
});
