// Maintenance of a service: visitors get 503 with the operator's page while its instances run on.
import type { Registry } from "../registry/registry.ts";

export interface MaintenanceChange {
  readonly service: string;
  readonly changed: boolean;
  readonly message: string;
}

export interface MaintenanceParts {
  readonly registry: Registry;
  /** Throws a not_found fault for a service that nobody knows. */
  requireKnown(service: string): void;
  /** Puts the routes into force; resolves when every request that starts from then on sees them. */
  publish(): Promise<void>;
}

/** Begins or ends the maintenance of a service; it survives restarts of the server. Already so: nothing is changed. */
export function createMaintenance({ registry, requireKnown, publish }: MaintenanceParts) {
  return async (service: string, isOn: boolean): Promise<MaintenanceChange> => {
    requireKnown(service);
    const changed = await registry.write((writer) => {
      const isNew = registry.maintenance.has(service) !== isOn;
      if (isNew) writer.setMaintenance(service, isOn);
      return isNew;
    });
    await publish();
    const state = isOn ? `${service} is under maintenance` : `${service} is not under maintenance`;
    return { service, changed, message: changed ? state : `nothing to do: ${state}` };
  };
}
