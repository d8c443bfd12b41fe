// `ten stop`: takes instances out of traffic, drains and ends them.
import { flag, words } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { Fault } from "../../core/fault.ts";
import { instanceName, parseInstance } from "../../core/name.ts";
import { quote } from "../../core/quote.ts";
import type { TenClient } from "../api/contract.ts";
import { force, readSubject } from "./arguments.ts";
import { connect } from "./connect.ts";
import { reportChanges } from "./report.ts";

export default command({
  name: "stop",
  summary: "Take instances out of traffic, drain and end them",
  description:
    "Requests in flight finish, up to drain_timeout; then SIGTERM, and SIGKILL after stop_grace_period_secs. The row, the directory and the logs stay until rm or prune. Refused when it would leave a running service without traffic.",
  examples: [
    ["ten stop api:v1", "stop one"],
    ["ten stop api:v1 api:v2", "stop several, side by side"],
    ["ten stop api --all", "stop all instances of api"],
    ["ten stop api:v1 --force", "also when it is the only one that takes traffic"],
  ],
  args: {
    instances: words("The instances, as service:id, or services with --all", {
      hint: "service[:id]",
      read: readSubject,
      names: "running",
      required: true,
    }),
    all: flag("All running instances of the named services"),
    force,
  },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const instances: string[] = [];
    for (const { service, id } of args.instances) {
      if (id === undefined && !args.all) throw await whichOne(client, service, signal);
      if (id !== undefined) instances.push(instanceName(service, id));
      else
        instances.push(
          ...(await client.split({ params: { service } }, { signal })).split.map((one) => one.id),
        );
    }
    if (instances.length === 0) {
      out.data({ changes: [] }, () => "nothing to do: nothing runs\n");
      return 0;
    }
    using _ = out.progress(`draining and stopping ${instances.join(", ")}`);
    const { changes } = await client.stopAll({ body: { instances, force: args.force } }, { signal });
    reportChanges(out, changes);
    return 0;
  },
});

/** A service alone was written; or an id alone, as people do who have one service. */
async function whichOne(client: TenClient, written: string, signal: AbortSignal): Promise<Fault> {
  const { instances } = await client.listInstances({}, { signal });
  const running = instances.filter(({ state }) => state !== "stopped").map(({ id }) => id);
  const named = (part: "service" | "id") => running.filter((name) => parseInstance(name)[part] === written);
  const [first = `${written}:v1`] = named("service");
  const meant = named("service").length === 0 ? named("id") : [];
  if (meant.length > 0)
    return new Fault("usage", `${quote(written)} is not an instance`, `did you mean ${meant.join(" or ")}?`);
  return new Fault("usage", `which instance of ${written}?`, `write ${first}, or ${written} --all`);
}
