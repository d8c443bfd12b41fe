// Where things lie in the data directory of a slum.
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { Environment } from "../../platform/environment.ts";

export interface DataPaths {
  readonly root: string;
  readonly database: string;
  readonly socket: string;
  readonly adminToken: string;
  /** The signing secret of the receiver given with `serve --webhook`. */
  readonly webhookSecret: string;
  /** Seals the secrets of receivers in a registry of one's own. */
  readonly registryKey: string;
  /** Who this slum is among those that share a registry. */
  readonly identity: string;
  /** Servers and tenants as of the last change, for a start without the registry. */
  readonly snapshot: string;
  /** What was counted in each minute of the last day. */
  readonly traffic: string;
}

export function dataPaths(root: string): DataPaths {
  return {
    root,
    database: join(root, "slum.db"),
    socket: join(root, "slum.sock"),
    adminToken: join(root, "api_token"),
    webhookSecret: join(root, "webhook_secret"),
    registryKey: join(root, "registry_key"),
    identity: join(root, "slum_id"),
    snapshot: join(root, "snapshot.json"),
    traffic: join(root, "traffic.jsonl"),
  };
}

/** The data directory by flag, else /var/lib/slum for root and the XDG state directory for others. Absolute. */
export function dataDirOf(flag: string | undefined, env: Environment): string {
  if (flag !== undefined) return resolve(flag);
  if (process.getuid?.() === 0) return "/var/lib/slum";
  return join(env.XDG_STATE_HOME ?? join(env.HOME ?? homedir(), ".local", "state"), "slum");
}
