// `slum webhook test`: sends a signed sample and prints what the receiver answered.
import { maybeWord } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { FAULTS, Fault } from "../../core/fault.ts";
import { readLabel } from "./arguments.ts";
import { connect } from "./connect.ts";

export default command({
  name: "test",
  summary: "Send a signed sample, and show what the receiver answers",
  description: "Exits 0 when every receiver answered 2xx, and 6 otherwise.",
  examples: [
    ["slum webhook test", "to all receivers"],
    ["slum webhook test ops", "to one"],
  ],
  args: { webhook: maybeWord("The receiver; all unless given", { hint: "ID", read: readLabel }) },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const ids =
      args.webhook === undefined
        ? (await client.listWebhooks({}, { signal })).webhooks.map(({ id }) => id)
        : [args.webhook];
    if (ids.length === 0)
      throw new Fault("not_found", "there are no webhooks", "add one: slum webhook add ops https://...");
    using _ = out.progress(`sending a sample to ${ids.join(", ")}`);
    const results = await Promise.all(ids.map((id) => client.testWebhook({ params: { id } }, { signal })));
    out.data({ results }, () =>
      results
        .map(({ id, ok, status, body, error }) => {
          const said = error ?? `status ${status}${body === "" ? "" : `: ${body.trim()}`}`;
          return `${id} ${ok ? "took it" : "did not take it"}: ${said}\n`;
        })
        .join(""),
    );
    return results.every(({ ok }) => ok) ? 0 : FAULTS.unreachable.exit;
  },
});
