// Maintenance of a service: visitors get 503 with the operator's page while its instances run on.
import { type Context, requireKnown } from "./context.ts";

export interface MaintenanceChange {
  readonly service: string;
  readonly changed: boolean;
  readonly message: string;
}

/** Begins or ends the maintenance of a service; it survives restarts of the server. Already so: nothing is changed. */
export function createMaintenance(context: Context) {
  return async (service: string, isOn: boolean): Promise<MaintenanceChange> => {
    const { registry, routes } = context;
    requireKnown(context, service);
    const changed = await registry.write((writer) => {
      const isNew = registry.maintenance.has(service) !== isOn;
      if (isNew) writer.setMaintenance(service, isOn);
      return isNew;
    });
    await routes.publish();
    const state = isOn ? `${service} is under maintenance` : `${service} is not under maintenance`;
    return { service, changed, message: changed ? state : `nothing to do: ${state}` };
  };
}
