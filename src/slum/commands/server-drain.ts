// `slum server drain`: sends a server no new requests.
import { command } from "../../cli/command.ts";
import { server } from "./arguments.ts";
import { connect } from "./connect.ts";

export default command({
  name: "drain",
  summary: "Send a server no new requests; those under way finish",
  description:
    "Its tenants go to their other servers; those without any get 503. WebSockets are told to come back, in the second half of the 30 seconds that this may take.",
  examples: [["slum server drain iad", "before maintenance of iad"]],
  args: { server },
  async run(context) {
    const { args, out, signal } = context;
    const sent = { params: { id: args.server }, body: { drained: true } };
    const done = await connect(context).drainServer(sent, { signal });
    out.data(
      done,
      () => `${args.server} is drained: it gets no new requests${done.changed ? "" : "; nothing to do"}\n`,
    );
    return 0;
  },
});
