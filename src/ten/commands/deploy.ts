// `ten deploy`: starts a version, waits until it is healthy, then gives it traffic.
import { flag, number, option, word } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { readLabel, readSubject, theInstance, timeout, weight } from "./arguments.ts";
import { connect } from "./connect.ts";
import { reportChange } from "./report.ts";

export default command({
  name: "deploy",
  summary: "Start a version, wait until it is healthy, give it traffic",
  description:
    "Reads tenement.toml; each version keeps the command, environment and limits that it was deployed with. Without --weight a version takes all traffic if nothing else of the service has any, and none otherwise: it waits for route or weight. A version that crashes, never gets healthy or listens on the wrong port is stopped, the others keep their traffic, and the exit code is 5.",
  examples: [
    ["ten deploy api --version v2", "blue/green: v2 runs without traffic, then: ten route api --to v2"],
    ["ten deploy api --version v2 --weight 10", "canary: 10 % to v2 once it is healthy"],
    ["ten deploy api --version v2 --instances 3", "three instances that share the version's weight"],
    ["ten deploy api:v2 --promote --stop-old", "for CI: all traffic to v2, then stop the others"],
  ],
  args: {
    service: word("The service, or the instance as service:id", {
      hint: "service[:id]",
      read: readSubject,
      names: "service",
    }),
    version: option("The version to deploy, also the id of its instance", { hint: "V", read: readLabel }),
    weight,
    timeout,
    instances: number("How many instances carry the version; those that it has, or as configured", {
      min: 1,
      max: 1_000,
    }),
    wait: number("Seconds to wait for other deploys of the service; an hour unless given", {
      hint: "S",
      max: 86_400,
    }),
    promote: flag("Route all traffic to it once it is healthy"),
    stopOld: flag("Then drain and stop the other instances; with --promote"),
    replace: flag("Start it afresh, with the configuration as it is now, when it already runs"),
    ifCurrent: option("Refuse (exit 4) unless exactly this version takes traffic now", {
      hint: "V",
      read: readLabel,
    }),
  },
  async run(context) {
    const { args, out, signal } = context;
    const { service, id } = theInstance(args.service, args.version, "--version");
    if (args.promote && args.weight !== undefined) {
      throw new Fault(
        "usage",
        "--promote and --weight exclude each other",
        "--promote means all of the traffic",
      );
    }
    if (args.stopOld && !args.promote) {
      throw new Fault(
        "usage",
        "--stop-old needs --promote",
        "the others can only stop when this one has their traffic",
      );
    }
    const body = {
      service,
      id,
      version: id,
      promote: args.promote,
      stop_old: args.stopOld,
      replace: args.replace,
      ...(args.weight !== undefined && { weight: args.weight }),
      ...(args.instances !== undefined && { instances: args.instances }),
      ...(args.wait !== undefined && { wait: args.wait }),
      ...(args.timeout !== undefined && { timeout: args.timeout }),
      ...(args.ifCurrent !== undefined && { if_current: args.ifCurrent }),
    };
    using progress = out.progress(`deploying ${service}:${id}`);
    const onProgress = ({ message }: { readonly message: string }) => progress.update(message);
    const done = await connect(context)
      .deploy({ body }, { signal, onProgress })
      .catch((thrown: unknown) => {
        throw signal.aborted ? interrupted(instanceName(service, id)) : thrown;
      });
    progress.done();
    reportChange(out, done);
    return 0;
  },
});

/** Nobody here knows how far the server was; it stops what had no traffic yet. */
function interrupted(instance: string): Fault {
  return new Fault(
    "stopped_waiting",
    `the deploy of ${instance} was interrupted: it is stopped, unless it takes traffic already`,
    "see: ten ps --all",
  );
}
