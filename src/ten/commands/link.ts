// `ten link`: a link that keeps a browser on one instance.

import { flag, option, withDefault } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { formatMoment } from "../../cli/format.ts";
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { instance, joinInstance } from "./arguments.ts";
import { readSpan } from "./canary-flags.ts";
import { connect } from "./connect.ts";

export default command({
  name: "link",
  summary: "Make a link that keeps a browser on one instance",
  description:
    'Whoever opens it sees that instance on every host of the service, past the weights, by a cookie, until the time is over or it is revoked. It is shown once. A version without traffic beside others that have some is seen by no other way (direct = "preview"), but for peers in direct_from and on domains under localhost.',
  examples: [
    ["ten link api:v2", "for an hour"],
    ["ten link api:v2 --for 2d", "for two days"],
    ["ten link api:v2 --revoke", "all links to it end at once"],
  ],
  reword: joinInstance,
  args: {
    instance,
    for: withDefault(option("How long it holds", { hint: "SPAN", read: readSpan }), 3_600),
    revoke: flag("End all links to it"),
  },
  async run(context) {
    const { args, out, signal } = context;
    const params = { instance: instanceName(args.instance.service, args.instance.id) };
    const client = connect(context);
    if (args.revoke) {
      const done = await client.revokeLinks({ params }, { signal });
      out.data(
        { ...done },
        () => `${done.revoked} ${done.revoked === 1 ? "link" : "links"} to ${done.id} revoked\n`,
      );
      return 0;
    }
    if (args.for < 1)
      throw new Fault("usage", "--for is less than a second", "write a time such as 30m, 1h or 2d");
    const done = await client.link({ params, body: { for_secs: args.for } }, { signal });
    out.data({ ...done }, () => `${done.url}\n`);
    out.hint(
      `it holds until ${formatMoment(done.until)}, on every host of the service; end it: ten link ${done.id} --revoke`,
    );
    return 0;
  },
});
