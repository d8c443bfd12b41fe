// `slum webhook add`: adds a receiver, and shows its signing secret once.
import { flag, list, oneOf, word } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { ALERT_TYPES } from "../api/shapes.ts";
import { parseReceiverUrl } from "../webhooks/post-webhook.ts";
import { readLabel } from "./arguments.ts";
import { connect } from "./connect.ts";

export default command({
  name: "add",
  summary: "Add a receiver; its signing secret is shown once",
  description: `Messages are signed as Standard Webhooks says. Types: ${ALERT_TYPES.join(", ")}.`,
  examples: [
    ["slum webhook add ops https://hooks.example.com/slum", "everything"],
    ["slum webhook add pager https://pager.example.com/in --types fleet.down,fleet.up", "only these"],
  ],
  args: {
    id: word("The id that the receiver gets", { hint: "ID", read: readLabel }),
    url: word("Where messages are posted to", {
      hint: "URL",
      read: (text: string) => parseReceiverUrl(text).href,
    }),
    types: list("Only these types of messages", { hint: "TYPES" }),
    allowPrivate: flag("The URL may lead to a private address"),
  },
  async run(context) {
    const { args, out, signal } = context;
    const types = args.types.map((type) => oneOf(ALERT_TYPES)(type, "--types"));
    const { id, url, allowPrivate } = args;
    const body = { id, url, allow_private: allowPrivate, ...(types.length > 0 && { types }) };
    const made = await connect(context).addWebhook({ body }, { signal });
    out.data(made, () => `Signing secret of ${id} (shown once):\n\n  ${made.secret}\n`);
    return 0;
  },
});
