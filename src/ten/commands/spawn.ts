// `ten spawn`: starts an instance; traffic comes when it is healthy.
import { option, word } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { joinInstance, readLabel, readSubject, theInstance, version, weight } from "./arguments.ts";
import { connect } from "./connect.ts";
import { reportChange } from "./report.ts";

export default command({
  name: "spawn",
  summary: "Start an instance; traffic comes when it is healthy",
  description:
    "Without --weight it gets that of its siblings with traffic when they are all equal, 100 when it is the first, and 0 otherwise. To release a version, use deploy.",
  examples: [
    ["ten spawn api:v1", "the first instance of api, with all traffic"],
    ["ten spawn api --id v2 --weight 0", "a second one that takes none"],
  ],
  reword: joinInstance,
  args: {
    instance: word("The instance, as service:id, or the service with --id", {
      hint: "service[:id]",
      read: readSubject,
      names: "subject",
    }),
    id: option("The id, when only the service is named", { hint: "ID", read: readLabel }),
    weight,
    version,
  },
  async run(context) {
    const { args, out } = context;
    const { service, id } = theInstance(args.instance, args.id, "--id");
    const body = {
      service,
      id,
      ...(args.version && { version: args.version }),
      ...(args.weight !== undefined && { weight: args.weight }),
    };
    reportChange(out, await connect(context).spawn({ body }, { signal: context.signal }));
    return 0;
  },
});
