// `ten deploy`: starts a version, waits until it is healthy, then gives it traffic.
import { flag, number, option, seconds, type Values, word } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { systemClock } from "../../platform/time/clock.ts";
import { joinInstance, readLabel, readSubject, theInstance, timeout, weight } from "./arguments.ts";
import { canaryFlagIn, canaryFlags, wishesIn } from "./canary-flags.ts";
import { connect } from "./connect.ts";
import { reportChange } from "./report.ts";
import { followRollout, rolloutText } from "./rollout-report.ts";
import { ship, shipFlags, whatToShip } from "./ship.ts";

export default command({
  name: "deploy",
  summary: "Start a version, wait until it is healthy, give it traffic",
  description:
    "Reads tenement.toml; each version keeps the command, environment and limits that it was deployed with. Without --weight a version takes all traffic if nothing else of the service has any, and none otherwise: it waits for route or weight. A version that crashes, never gets healthy or listens on the wrong port is stopped, the others keep their traffic, and the exit code is 5. With --canary it is judged beside what takes traffic now: it gets one share after the other while nothing speaks against it, and is taken back when something does. In a pipe the command waits for that: exit code 0 promoted, 9 rolled back, 10 held.",
  examples: [
    [
      "ten deploy api --version v2",
      "blue/green: v2 runs without traffic, then: ten route api --to v2; also: ten deploy api v2",
    ],
    ["ten deploy api --version v2 --canary", "step by step, judged by what visitors get"],
    ["ten deploy api --version v2 --canary --dry-run", "what that would do, notice and cost"],
    ["ten deploy api --version v2 --weight 10", "a canary by hand: 10 % to v2 once it is healthy"],
    ["ten deploy api --version v2 --instances 3", "three instances that share the version's weight"],
    ["ten deploy api:v2 --promote --stop-old", "for CI: all traffic to v2, then stop the others"],
    ["ten deploy api --version v2 --dir ./dist", "ship a build first: the service uses {release_dir}"],
  ],
  reword: joinInstance,
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
    queue: seconds("Seconds to wait for other deploys of the service; an hour unless given", {
      hint: "S",
      max: 86_400,
    }),
    promote: flag("Route all traffic to it once it is healthy"),
    stopOld: flag("Then drain and stop the other instances; with --promote or --canary"),
    replace: flag("Start it afresh, with the configuration as it is now, when it already runs"),
    ...shipFlags,
    ifCurrent: option("Refuse (exit 4) unless exactly this version takes traffic now", {
      hint: "V",
      read: readLabel,
    }),
    canary: flag("Give it traffic step by step, judged beside what takes it now"),
    ...canaryFlags,
    wait: flag("With --canary: until it is over or held; so it is in a pipe"),
    detach: flag("With --canary: only until its first step; so it is on a terminal"),
    dryRun: flag("With --canary: change nothing, and show what it would do"),
  },
  async run(context) {
    const { args, out, signal } = context;
    const { service, id } = theInstance(args.service, args.version, "--version");
    refuseMixtures(args);
    const survey = whatToShip(context, args);
    const client = connect(context);
    const wishes = wishesIn(args);
    if (args.dryRun) {
      const sent = { params: { service }, body: { version: id, canary: wishes } };
      const plan = await client.planRollout(sent, { signal });
      out.data({ ...plan }, () => plan.text.map((line) => `${line}\n`).join(""));
      return 0;
    }
    const body = {
      service,
      id,
      version: id,
      promote: args.promote,
      stop_old: args.stopOld,
      replace: args.replace,
      ...(args.canary && { canary: wishes }),
      ...(args.weight !== undefined && { weight: args.weight }),
      ...(args.instances !== undefined && { instances: args.instances }),
      ...(args.queue !== undefined && { wait: args.queue }),
      ...(args.timeout !== undefined && { timeout: args.timeout }),
      ...(args.ifCurrent !== undefined && { if_current: args.ifCurrent }),
    };
    using progress = out.progress(`deploying ${service}:${id}`);
    const onProgress = ({ message }: { readonly message: string }) => progress.update(message);
    const about = { service, version: id };
    const shipped = survey && (await ship(client, about, survey, { progress, signal, clock: systemClock }));
    const answer = await client.deploy({ body }, { signal, onProgress }).catch((thrown: unknown) => {
      throw signal.aborted ? interrupted(instanceName(service, id)) : thrown;
    });
    progress.done();
    const done = { ...answer, ...(shipped && { shipped }) };
    if (done.removed.length > 0)
      out.info(`removed what older deploys had left (keep, in tenement.toml): ${done.removed.join(", ")}`);
    const { rollout } = done;
    if (rollout?.outcome !== null || rollout === null) {
      reportChange(out, done);
      if (done.link !== null) out.hint(`look at it, for an hour: ${done.link}`);
      return 0;
    }
    if (args.wait || (!out.stdout.isTty && !args.detach)) {
      out.success(done.message);
      for (const warning of done.warnings) out.warn(warning);
      const end = await followRollout(client, rollout, out, systemClock, signal);
      out.data({ ...done, rollout: end }, () => rolloutText(out, end, systemClock.now()));
      return 0;
    }
    reportChange(out, done);
    out.hint(`watch it: ten rollout ${service} --watch`);
    return 0;
  },
});

/** Flags that exclude, or need, each other. */
function refuseMixtures(args: Values<typeof canaryFlags> & Mixture): void {
  const refuse = (message: string, hint: string) => new Fault("usage", message, hint);
  if (args.promote && args.weight !== undefined)
    throw refuse("--promote and --weight exclude each other", "--promote means all of the traffic");
  if (args.canary && (args.promote || args.weight !== undefined)) {
    const other = args.promote ? "--promote" : "--weight";
    throw refuse(
      `--canary and ${other} exclude each other`,
      "a canary's shares are its steps: --steps 5,25,50",
    );
  }
  if (args.stopOld && !args.promote && !args.canary)
    throw refuse("--stop-old needs --promote", "the others can only stop when this one has their traffic");
  const lonely = (["wait", "detach", "dryRun"] as const).find((key) => args[key]);
  const given = canaryFlagIn(args) ?? (lonely && `--${lonely === "dryRun" ? "dry-run" : lonely}`);
  if (!args.canary && given !== undefined)
    throw refuse(`${given} needs --canary`, `add --canary, or leave it out`);
  if (args.wait && args.detach) throw refuse("--wait and --detach exclude each other", "give one of them");
}

interface Mixture {
  readonly promote: boolean;
  readonly stopOld: boolean;
  readonly canary: boolean;
  readonly wait: boolean;
  readonly detach: boolean;
  readonly dryRun: boolean;
  readonly weight: number | undefined;
}

/** Nobody here knows how far the server was; it stops what had no traffic yet. */
function interrupted(instance: string): Fault {
  return new Fault(
    "stopped_waiting",
    `the deploy of ${instance} was interrupted: it is stopped, unless it takes traffic already`,
    "see: ten ps --all",
  );
}
