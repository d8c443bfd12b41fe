// The command that takes something back, as the server names it, run from the page.
import type { Outcome } from "../../api/page/outcome.ts";
import type { TenClient } from "../api/contract.ts";

/** What runs a command such as `ten weight api:v1=90 api:v2=10`; undefined for one that the page has no words for. */
export function undoOf(client: TenClient, command: string): (() => Promise<Outcome>) | undefined {
  const steps = command.split(" && ").map((one) => stepOf(client, one.split(" ").slice(1)));
  if (!steps.every((step) => step !== undefined)) return undefined;
  return async () => {
    const outcomes: Outcome[] = [];
    for (const step of steps) outcomes.push(await step());
    const message = outcomes.map((one) => one.message).join("; ");
    return { message, undo: outcomes.length === 1 ? (outcomes[0]?.undo ?? null) : null };
  };
}

type Step = () => Promise<Outcome>;

function stepOf(client: TenClient, [verb = "", ...words]: readonly string[]): Step | undefined {
  const [first = "", second = "", third] = words;
  const instance = /^([^:=]+):([^:=]+)$/.exec(first);
  switch (`${verb} ${words.length}`) {
    case "stop 1":
      return instance ? () => client.stop({ params: { instance: first }, query: {} }) : undefined;
    case "spawn 3": {
      const [, service = "", id = ""] = instance ?? [];
      if (!instance || second !== "--weight") return undefined;
      return () => client.spawn({ body: { service, id, weight: Number(third) } });
    }
    case "rollback 2":
      return second === "--last"
        ? () => client.rollback({ body: { service: first, last: true } })
        : undefined;
    case "abort 1":
      return async () => {
        const { message } = await client.abortRollout({ params: { service: first }, body: {} });
        return { message, undo: null };
      };
    case "maintenance 2":
      return async () => {
        const on = second === "on";
        const { message } = await client.maintenance({ params: { service: first }, body: { on } });
        return { message, undo: `ten maintenance ${first} ${on ? "off" : "on"}` };
      };
    default:
      return verb === "weight" ? weightsOf(client, words) : undefined;
  }
}

/** `api:v1=90 api:v2=10` */
function weightsOf(client: TenClient, words: readonly string[]): Step | undefined {
  const pairs = words.map((word) => /^([^:=]+):([^:=]+)=([\d.]+)$/.exec(word));
  const service = pairs[0]?.[1];
  if (service === undefined || !pairs.every((pair) => pair?.[1] === service)) return undefined;
  const weights = Object.fromEntries(pairs.map((pair) => [pair?.[2] ?? "", Number(pair?.[3])]));
  return () => client.setWeights({ body: { service, weights } });
}
