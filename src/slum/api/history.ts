// The last day of all servers: what their checks found, and from the registry when they went and came back.
import { dayStartMs, STEP_MS } from "../fleet/check-history.ts";
import type { Control } from "../operations/control.ts";
import { errorSteps, type OwnHistory } from "./own-answers.ts";
import type { HistoryView } from "./shapes.ts";
import type { View } from "./view.ts";

interface HistoryParts {
  readonly control: Control;
  readonly view: View;
  readonly own: OwnHistory;
  readonly nowMs: number;
}

const KINDS = ["server.offline", "server.online", "server.drained", "server.undrained", "tenant.moved"];
const DAY_MS = 24 * 3_600_000;
/** Of each kind, the newest: a flapping fleet fills no page. */
const MOST = 1_000;

export async function historyOf({ control, view, own, nowMs }: HistoryParts): Promise<HistoryView> {
  const { registry, fleet, checks } = control;
  const startMs = dayStartMs(nowMs);
  const found = await Promise.all(
    KINDS.map((kind) => {
      // What ended in the day may have begun before it: looked for one day more.
      const sinceMs = kind === "tenant.moved" ? startMs : startMs - DAY_MS;
      return registry.events({ kind, sinceMs, limit: MOST });
    }),
  );
  return {
    start: new Date(startMs).toISOString(),
    step_secs: STEP_MS / 1000,
    servers: [...fleet.all()].flatMap(({ id }) => {
      const steps = checks.steps(id, nowMs);
      if (!steps) return [];
      return [
        {
          id,
          latency_ms: [...steps.latencyMs],
          failed: [...steps.failed],
        },
      ];
    }),
    proxy_errors: errorSteps(own, startMs, STEP_MS, Math.ceil((nowMs - startMs) / STEP_MS)),
    changes: found
      .flat()
      .toSorted((a, b) => a.seq - b.seq)
      .map(view.event),
  };
}
