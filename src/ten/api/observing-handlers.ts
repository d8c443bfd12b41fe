// The operations that say what happens and why: a check, traffic over time, and what is wrong with an instance.
import type { CertificateDesk } from "../../api/certificate-operations.ts";
import type { Principal } from "../../api/principal.ts";
import type { Handler } from "../../api/server.ts";
import type { InstanceName } from "../../core/name.ts";
import type { TrafficHistory } from "../../proxy/traffic-history.ts";
import type { Control } from "../operations/control.ts";
import type { TenContract } from "./contract.ts";
import { trafficOf } from "./traffic-view.ts";
import { naming, type View } from "./view.ts";
import { whyOf } from "./why.ts";

interface ObservingParts {
  readonly control: Control;
  readonly view: View;
  readonly history: TrafficHistory;
  readonly certificates: CertificateDesk | undefined;
  hostsOf(service: string): readonly string[];
  now(): number;
}

export interface ObservingHandlers {
  readonly check: Handler<TenContract["check"]>;
  readonly why: Handler<TenContract["why"]>;
  readonly traffic: Handler<TenContract["traffic"]>;
}

/** `own`: the instance that a call names, for a caller who may see it. */
export function createObservingHandlers(
  parts: ObservingParts,
  own: (caller: Principal, name: InstanceName) => InstanceName,
): ObservingHandlers {
  const { control } = parts;
  const { registry, supervisor } = control;
  return {
    async check({ params, principal }) {
      const { service, id } = own(principal, params.instance);
      const row = registry.get(service, id);
      const outcome = await supervisor.check(row);
      const { state } = registry.get(service, id);
      const elsewhere =
        outcome?.ok === false ? (supervisor.whereabouts(row, supervisor.of(row).run)?.text ?? "") : "";
      const detail = outcome?.detail ?? `${state}: ${row.reason}`;
      return {
        ...naming(service, id),
        // What runs by a schedule has nothing to check in between.
        healthy: outcome?.ok ?? state === "healthy",
        state,
        detail: elsewhere === "" ? detail : `${detail}; it ${elsewhere}`,
        latency_ms: outcome ? Math.round(outcome.latencyMs * 10) / 10 : 0,
      };
    },
    why({ params, principal }) {
      return whyOf(parts, own(principal, params.instance), principal.tenant !== undefined);
    },
    traffic({ params: { service }, query }) {
      control.requireKnown(service);
      return trafficOf({ ...parts, registry, nowMs: parts.now() }, service, query.range);
    },
  };
}
