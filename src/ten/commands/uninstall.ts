// `ten uninstall`: the systemd unit goes, the data stays.
import { command } from "../../cli/command.ts";
import { uninstall, unitArgs } from "../../cli/install.ts";

export default command({
  name: "uninstall",
  summary: "Stop the server that runs as a systemd unit and remove the unit",
  description:
    "Requests in flight finish and the instances end, as at systemctl stop. Registry, logs and data stay where they are, and the command says where that is.",
  examples: [
    ["sudo ten uninstall", "the unit of the machine"],
    ["ten uninstall --user-unit", "your own"],
  ],
  args: unitArgs,
  run: uninstall,
});
