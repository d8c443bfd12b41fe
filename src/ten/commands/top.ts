// `ten top`: services and versions on a full screen, with what they do now, and the changes that an operator makes.
import { maybeWord } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { runLive } from "../../cli/screen.ts";
import { parseWeight } from "../../core/weight.ts";
import { systemClock } from "../../platform/time/clock.ts";
import type { TenClient } from "../api/contract.ts";
import { readService } from "./arguments.ts";
import { connect } from "./connect.ts";
import { type Change, type TopActions, TopScene } from "./top-scene.ts";
import { drawTable, notesOf, type Row, rowsOf, type Seen } from "./top-view.ts";
import { whyPage } from "./why.ts";

const EVERY_MS = 2_000;
/** Charts of more services than that are not read at once. */
const CHARTED = 20;
const LOG_LINES = 200;

export default command({
  name: "top",
  summary: "Watch services and versions on a full screen, and change what they get",
  description:
    "Share, requests a second, errors, times, CPU and memory of each version, and which is worse. Keys: arrows choose, enter says why, w sets a weight, r routes, b rolls back, h holds and p promotes a rollout, l shows the log, / filters, ? helps, q ends. Every change is shown as a command and asked for once. In a pipe it prints the table once.",
  examples: [
    ["ten top", "all services"],
    ["ten top api", "one of them"],
  ],
  args: {
    service: maybeWord("Only this service", { hint: "SERVICE", read: readService, names: "service" }),
  },
  async run(context) {
    const { args, out, signal } = context;
    const client = connect(context);
    const seen = await read(client, args.service, signal);
    if (!out.canDraw || !process.stdin.isTTY) {
      const size = { columns: out.stdout.size()?.columns ?? 120, rows: 1_000 };
      out.data(
        asJson(seen),
        () =>
          `${[...drawTable(out.paint, seen, rowsOf(seen, ""), -1, size), ...notesOf(out.paint, seen)].join("\n")}\n`,
      );
      return 0;
    }
    const scene = new TopScene(out.paint, actionsOf(client, signal, out));
    scene.show(seen, clockText());
    await runLive(out, signal, scene, EVERY_MS, async (until) =>
      scene.show(await read(client, args.service, until), clockText()),
    );
    return 0;
  },
});

async function read(client: TenClient, service: string | undefined, signal: AbortSignal): Promise<Seen> {
  const query = service === undefined ? {} : { service };
  const { instances, rollouts, changes, services: rates } = await client.listInstances({ query }, { signal });
  const services = [...new Set(instances.map((one) => one.service))].slice(0, CHARTED);
  const traffic = await Promise.all(
    services.map((one) => client.traffic({ params: { service: one }, query: { range: "15m" } }, { signal })),
  );
  return {
    instances,
    rates: new Map(rates.map((one) => [one.service, one])),
    traffic: new Map(traffic.map((one) => [one.service, one])),
    changes: new Map(changes.map((one) => [one.service, one])),
    rollouts: new Map(rollouts.map((one) => [one.service, `${one.canary}: ${one.text}`])),
  };
}

function asJson(seen: Seen) {
  return {
    instances: seen.instances,
    services: [...seen.rates.values()],
    traffic: [...seen.traffic.values()],
  };
}

function clockText(): string {
  return new Date(systemClock.now()).toTimeString().slice(0, 8);
}

/** The one that is worst off of a version. */
function worst({ service, instances }: Row): string {
  const one = instances.find(({ state }) => state !== "healthy") ?? instances[0];
  return one?.id ?? service;
}

function actionsOf(client: TenClient, signal: AbortSignal, out: Parameters<typeof whyPage>[0]): TopActions {
  const done = ({ message, undo }: { readonly message: string; readonly undo: string | null }) =>
    undo === null ? message : `${message}; undo: ${undo}`;
  const service = (row: Row) => row.service;
  const subject = (row: Row) => row.instances[0]?.id.slice(row.service.length + 1) ?? "";
  const change = (
    command: string,
    run: () => Promise<{ message: string; undo?: string | null }>,
  ): Change => ({
    command,
    run: async () => {
      const { message, undo = null } = await run();
      return done({ message, undo });
    },
  });
  return {
    detail: async (row) => whyPage(out, await client.why({ params: { instance: worst(row) } }, { signal })),
    async logs(row) {
      const query = {
        service: row.service,
        limit: LOG_LINES,
        ...(row.version !== undefined && { id: row.version }),
      };
      const { lines } = await client.logs({ query }, { signal });
      return lines.length === 0
        ? "nothing written yet"
        : lines.map(({ instance, text }) => `${instance} | ${text}`).join("\n");
    },
    weight(row, percent) {
      const weight = parseWeight(percent) / 100;
      const instance = `${row.service}:${row.version}`;
      return change(`ten weight ${instance} ${weight}`, () =>
        client.setShare({ params: { instance }, body: { weight } }),
      );
    },
    route: (row) =>
      change(`ten route ${row.service} --to ${row.version}`, () =>
        client.route({ body: { service: row.service, to: row.version ?? subject(row) } }),
      ),
    rollback: (row) =>
      change(`ten rollback ${service(row)}`, () => client.rollback({ body: { service: service(row) } })),
    hold: (row) =>
      change(`ten hold ${service(row)}`, () =>
        client.holdRollout({ params: { service: service(row) }, body: { on: true } }),
      ),
    promote: (row) =>
      change(`ten promote ${service(row)}`, () =>
        client.promoteRollout({ params: { service: service(row) }, body: {} }),
      ),
  };
}
