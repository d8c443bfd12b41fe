// What every operation stands on: the registry, the supervisor, the routes in force and the configuration in force.
import { Fault } from "../../core/fault.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { Config } from "../config/config.ts";
import type { DataPaths } from "../config/paths.ts";
import { orphanService, type Service } from "../config/service.ts";
import type { Registry } from "../registry/registry.ts";
import type { RoutesInForce } from "../routing/routes-in-force.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import type { DeploysUnderWay } from "./deploys-under-way.ts";

export interface Context {
  readonly registry: Registry;
  readonly supervisor: Supervisor;
  readonly routes: RoutesInForce;
  readonly deploying: DeploysUnderWay;
  readonly clock: Clock;
  readonly paths: DataPaths;
  /** The server's own, in canonical form. */
  readonly domain: string;
  /** The configuration in force. */
  config(): Config;
  /**
   * Reads the file again and puts it into force, for everything but what runs. Throws a Fault that says what is wrong with it,
   * and changes nothing.
   */
  reread(): Promise<{ readonly before: Config; readonly after: Config }>;
  onTrouble(text: string): void;
}

/** The configured service, or a not_found fault. */
export function configured({ config }: Context, name: string): Service {
  const { services, path } = config();
  const service = services.get(name);
  if (service) return service;
  const known = [...services.keys()].join(", ");
  throw new Fault("not_found", `there is no service ${name} in ${path}`, known && `it has ${known}`);
}

/** Throws the same fault when the service is neither configured nor has instances from when it was. */
export function requireKnown(context: Context, name: string): void {
  if (context.registry.list(name).length === 0) configured(context, name);
}

/** The rules of a service; the usual ones when it is no longer configured. */
export function rulesOf({ config }: Context, name: string): Service {
  return config().services.get(name) ?? orphanService(name);
}
