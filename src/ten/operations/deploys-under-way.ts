// Which deploy is under way for each service, and how others end it: rollback, and stop of one of its instances.
import type { Fault } from "../../core/fault.ts";

export interface DeploysUnderWay {
  /** Notes a deploy of these ids until the returned `end` is called; `signal` fires when somebody aborts it. */
  begin(service: string, ids: readonly string[]): { readonly signal: AbortSignal; end(): void };
  /** Aborts what is under way for the service (of this instance only, when given), with the reason to report. Whether there was one. */
  abort(service: string, reason: Fault, id?: string): boolean;
}

/** At most one a service: they queue up before they begin. */
export function createDeploysUnderWay(): DeploysUnderWay {
  const running = new Map<
    string,
    { readonly ids: readonly string[]; readonly controller: AbortController }
  >();
  return {
    begin(service, ids) {
      const controller = new AbortController();
      running.set(service, { ids, controller });
      return {
        signal: controller.signal,
        end() {
          if (running.get(service)?.controller === controller) running.delete(service);
        },
      };
    },
    abort(service, reason, id) {
      const deploy = running.get(service);
      if (!deploy || (id !== undefined && !deploy.ids.includes(id))) return false;
      deploy.controller.abort(reason);
      return true;
    },
  };
}
