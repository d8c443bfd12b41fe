// Events and changes of traffic as the API shows them.
import { instanceName } from "../../core/name.ts";
import { failureOf } from "../../core/probable-cause.ts";
import type { EventRow, HistoryRow } from "../registry/registry.ts";
import type { EventView } from "./shapes.ts";

export function toEvent({ at, instance, actor, origin, before, after, ...event }: EventRow): EventView {
  return {
    ...event,
    at: new Date(at).toISOString(),
    id: instance,
    instance: instance === null ? null : instanceName(event.service, instance),
    by: actor,
    from: origin,
    before: before && inPercent(Object.entries(before)),
    after: after && inPercent(Object.entries(after)),
  };
}

export function toHistory({ at, command, actor, before, after }: HistoryRow) {
  return {
    at: new Date(at).toISOString(),
    command,
    by: actor,
    before: inPercent(before),
    after: inPercent(after),
  };
}

/** A deploy that came to nothing, with what it was found to fail of. */
export function toFailedDeploy({ at, actor, service, instance, detail }: EventRow) {
  const [message = ""] = detail.split("\n");
  const version = instance ?? "";
  return {
    at: new Date(at).toISOString(),
    by: actor,
    version,
    text: failureOf(instanceName(service ?? "", version), message),
  };
}

/** By id. */
function inPercent(weights: Iterable<readonly [string, number]>): Record<string, number> {
  return Object.fromEntries(Array.from(weights, ([id, weight]) => [id, weight / 100]));
}
