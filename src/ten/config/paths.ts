// Where things lie in the data directory. Our own names contain `.` or `_` first or inside, so that no service or id collides.
import { join } from "node:path";

export type Stream = "stdout" | "stderr";
export const STREAMS: readonly Stream[] = ["stdout", "stderr"];

export interface DataPaths {
  readonly root: string;
  readonly database: string;
  readonly socket: string;
  readonly adminToken: string;
  /** Seals the secrets of receivers of webhooks. */
  readonly registryKey: string;
  /** One line for each request of services that say so. */
  readonly accessLog: string;
  /** What requests led to, minute by minute. */
  readonly traffic: string;
  instance(service: string, id: string): string;
  /** What all versions of a service share. */
  shared(service: string): string;
  /** The builds that were shipped, by service. */
  readonly releases: string;
  /** Where a shipped build is. */
  release(service: string, version: string): string;
  /** What the set-up of a shipped build wrote. */
  setupLog(service: string, version: string): string;
  logs(service: string, id: string): string;
  log(service: string, id: string, stream: Stream): string;
}

export function dataPaths(root: string): DataPaths {
  const logs = (service: string, id: string) => join(root, service, "_logs", id);
  return {
    root,
    database: join(root, "ten.db"),
    socket: join(root, "ten.sock"),
    adminToken: join(root, "api_token"),
    registryKey: join(root, "registry_key"),
    accessLog: join(root, "access.log"),
    traffic: join(root, "traffic.jsonl"),
    instance: (service, id) => join(root, service, id),
    shared: (service) => join(root, service, "_shared"),
    releases: join(root, "_releases"),
    release: (service, version) => join(root, "_releases", service, version),
    setupLog: (service, version) => join(root, "_releases", service, `_setup-${version}.log`),
    logs,
    log: (service, id, stream) => join(logs(service, id), `${stream}.log`),
  };
}
