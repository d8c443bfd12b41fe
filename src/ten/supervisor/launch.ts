// One start of an instance: confined, with a port and a mark of its own, and both written down before the process exists.
import { messageOf } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { choosePort } from "../../platform/net/ports.ts";
import { bootId } from "../../platform/process/proc.ts";
import type { ManagedProcess, Processes } from "../../platform/process/process.ts";
import type { Config } from "../config/config.ts";
import type { DataPaths } from "../config/paths.ts";
import type { Service } from "../config/service.ts";
import type { InstanceRow, Registry } from "../registry/registry.ts";
import type { Confinement } from "./confinement.ts";
import { processSpecOf } from "./process-spec.ts";

export interface LaunchParts {
  readonly registry: Registry;
  readonly processes: Processes;
  readonly confinement: Confinement;
  readonly paths: DataPaths;
  readonly environment: Readonly<Record<string, string | undefined>>;
  config(): Config;
  onTrouble(text: string): void;
}

/** Starts the process of a row. The port and the nonce are committed before it exists, so that a death in between leaves a trace. */
export function createLaunch(parts: LaunchParts) {
  const { registry, processes, confinement, paths } = parts;

  return async (row: InstanceRow, service: Service): Promise<ManagedProcess> => {
    const nonce = `${registry.id}.${crypto.randomUUID()}`;
    const confined = await confinement.prepare(row, service.limits);
    const config = parts.config();
    const taken = new Set(registry.list().flatMap((one) => (one.port === null ? [] : [one.port])));
    const port = choosePort({ range: config.settings.ports, taken, chance: Math.random() });
    const launched = { id: row.id, version: row.version, port, nonce };
    const base = { ...parts.environment, ...confined.account?.env };
    const command = processSpecOf(config, service, launched, base);
    const marks = { nonce, port, pid: null, startTime: null, bootId: bootId() };
    await registry
      .write((writer) => writer.update(row, marks))
      .catch((thrown) => {
        // A full or locked disk is no reason for a service to stay down: its process carries our mark, and is ended as a
        // leftover should this server die before the row can be written.
        const name = instanceName(row.service, row.id);
        parts.onTrouble(`${name} starts without its row: ${messageOf(thrown)}`);
        registry.observe(row, marks);
      });
    try {
      return processes.start({
        ...command,
        ...confined,
        nonce,
        stdoutPath: paths.log(row.service, row.id, "stdout"),
        stderrPath: paths.log(row.service, row.id, "stderr"),
      });
    } catch (thrown) {
      await confinement.release(row).catch(() => {});
      throw thrown;
    }
  };
}
