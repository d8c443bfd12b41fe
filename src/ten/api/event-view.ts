// Events and changes of traffic as the API shows them.
import { instanceName } from "../../core/name.ts";
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

/** By id. */
function inPercent(weights: Iterable<readonly [string, number]>): Record<string, number> {
  return Object.fromEntries(Array.from(weights, ([id, weight]) => [id, weight / 100]));
}
