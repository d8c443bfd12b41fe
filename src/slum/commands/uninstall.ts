// `slum uninstall`: the systemd unit goes, the data stays.
import { command } from "../../cli/command.ts";
import { uninstall, unitArgs } from "../../cli/install.ts";

export default command({
  name: "uninstall",
  summary: "Stop the slum that runs as a systemd unit and remove the unit",
  description:
    "Requests in flight finish. The registry stays where it is, and the command says where that is.",
  examples: [
    ["sudo slum uninstall", "the unit of the machine"],
    ["slum uninstall --user-unit", "your own"],
  ],
  args: unitArgs,
  run: uninstall,
});
