// `slum ps`: the servers with their health, and what is wrong with anything else.
import { flag } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { watch } from "../../cli/watch.ts";
import { systemClock } from "../../platform/time/clock.ts";
import { describeStatus, type SlumStatus } from "../api/describe-status.ts";
import { connect } from "./connect.ts";
import { serverTable } from "./report.ts";

const WATCH_MS = 1_000;

export default command({
  name: "ps",
  summary: "Show the servers, and what is wrong anywhere",
  examples: [
    ["slum ps", "servers with status, latency and tenants"],
    ["slum ps --watch", "again every second"],
  ],
  args: { watch: flag("Show it again every second until interrupted", { letter: "w" }) },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const frame = async () => {
      const value = await client.status({}, { signal });
      const table = () => (value.servers.length > 0 ? serverTable(out, value.servers) : EMPTY);
      const lines = () => [
        ...countsOf(value),
        ...describeStatus(value).map((text) => out.paint("yellow", text)),
      ];
      return { value, text: () => `${table()}\n${lines().join("\n")}\n` };
    };
    if (args.watch) await watch({ out, clock: systemClock, periodMs: WATCH_MS, signal }, frame);
    else {
      const { value, text } = await frame();
      out.data(value, text);
    }
    return 0;
  },
});

const EMPTY = "no servers; add one: slum server add ID https://...\n";

function countsOf({ tenants, registry: { slums } }: SlumStatus): string[] {
  return [
    tenants === 1 ? "1 tenant" : `${tenants} tenants`,
    ...(slums > 1 ? [`${slums} slums on this registry`] : []),
  ];
}
