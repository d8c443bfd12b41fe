// One start of an instance: confined, with a port and a mark of its own, and both written down before the process exists.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fill } from "../../core/template.ts";
import { choosePort } from "../../platform/net/ports.ts";
import { bootId } from "../../platform/process/proc.ts";
import type { Processes } from "../../platform/process/process.ts";
import type { Config } from "../config/config.ts";
import type { DataPaths } from "../config/paths.ts";
import type { Service } from "../config/service.ts";
import type { InstanceRow, Registry } from "../registry/registry.ts";
import type { Confinement } from "./confinement.ts";
import { readEnvFile } from "./env-file.ts";
import type { Launched, Role } from "./instance-deps.ts";
import { type Launched as LaunchedInstance, placeholders, processSpecOf } from "./process-spec.ts";

export interface LaunchParts {
  readonly registry: Registry;
  readonly processes: Processes;
  readonly confinement: Confinement;
  readonly paths: DataPaths;
  readonly environment: Readonly<Record<string, string | undefined>>;
  config(): Config;
}

/**
 * Starts a process of a row, the one that it routes to or the other one. The port and the nonce are committed before it exists,
 * so that a death in between leaves a trace.
 */
export function createLaunch(parts: LaunchParts) {
  const { registry, processes, confinement, paths } = parts;

  return async (row: InstanceRow, role: Role, version: string, service: Service): Promise<Launched> => {
    const nonce = `${registry.id}.${crypto.randomUUID()}`;
    const confined = await confinement.prepare(row, nonce, service.limits);
    const config = parts.config();
    const port = service.hasPort ? freePort(registry, config, service) : null;
    const launched = { id: row.id, version, port, nonce };
    const base = { ...parts.environment, ...confined.account?.env };
    const secrets = secretsOf(config, service, launched, base);
    const command = processSpecOf(config, service, launched, base, existsSync, secrets);
    const marks = { nonce, port, pid: null, startTime: null, bootId: bootId() };
    const { release } = service;
    const change = role === "other" ? { other: marks } : { ...marks, release };
    // Written before the process exists, and not waited for: a full or locked disk is no reason for a service to stay down.
    // Its process carries our mark, and is ended as a leftover should this server die before the row can be written.
    registry.observe(row, change);
    try {
      const process = processes.start({
        ...command,
        ...confined,
        nonce,
        stdoutPath: paths.log(row.service, row.id, "stdout"),
        stderrPath: paths.log(row.service, row.id, "stderr"),
      });
      return { process, port, release };
    } catch (thrown) {
      if (role === "other") registry.observe(row, { other: null });
      await confinement.release(row, nonce).catch(() => {});
      throw thrown;
    }
  };
}

function freePort(registry: Registry, config: Config, { address }: Service): number {
  const taken = new Set(registry.list().flatMap(portsOf));
  return choosePort({ range: config.settings.ports, taken, chance: Math.random(), address });
}

/** What env_file holds now. */
export function secretsOf(
  config: Config,
  service: Service,
  launched: LaunchedInstance,
  base: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  if (service.envFile === undefined) return {};
  const file = fill(service.envFile, placeholders(config, service, launched, base));
  return readEnvFile(resolve(config.directory, file));
}

/** The ports that a row has, one for each of its runs. */
function portsOf({ port, other }: InstanceRow): number[] {
  return [port, other?.port].filter((one) => one !== null && one !== undefined);
}
