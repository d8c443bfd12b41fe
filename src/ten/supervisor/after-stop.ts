// What a service wants done after each end of an instance: a command in its directory, as its user, with its output in its log.
import { existsSync } from "node:fs";
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import { accountOf } from "../../platform/process/account.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { sleep } from "../../platform/time/clock.ts";
import type { Service } from "../config/service.ts";
import type { InstanceRow } from "../registry/registry.ts";
import { type LaunchParts, secretsOf } from "./launch.ts";
import { processSpecOf } from "./process-spec.ts";
import type { Run } from "./run.ts";

export const AFTER_STOP_MS = 60_000;
const GRACE_MS = 2_000;

interface AfterStopParts extends Omit<LaunchParts, "confinement"> {
  readonly clock: Clock;
}

/** Resolves when it has ended, which nothing else depends on. Rejects with a Fault when it failed, or took more than a minute and was ended. */
export async function afterStop(
  { clock, paths, processes, registry, ...parts }: AfterStopParts,
  { service: name, id }: InstanceRow,
  run: Run,
  service: Service,
): Promise<void> {
  if (service.afterStop === undefined) return;
  const config = parts.config();
  const account = accountOf(service.limits.user, service.limits.group);
  const nonce = `${registry.id}.${crypto.randomUUID()}`;
  const ended = { id, version: run.build.version, port: run.port, nonce };
  const base = { ...parts.environment, ...account?.env };
  const secrets = secretsOf(config, service, ended, base);
  const command = { ...service, words: service.afterStop, beforeStart: undefined };
  const process = processes.start({
    ...processSpecOf(config, command, ended, base, existsSync, secrets),
    account,
    nonce,
    stdoutPath: paths.log(name, id, "stdout"),
    stderrPath: paths.log(name, id, "stderr"),
  });
  const late = new AbortController();
  const timeout = sleep(clock, AFTER_STOP_MS, late.signal).catch(() => {});
  const exit = await Promise.race([process.exited, timeout]);
  late.abort();
  await process.stop(exit === undefined ? GRACE_MS : 0);
  if (exit?.code === 0) return;
  const what =
    exit === undefined
      ? `did not end within ${AFTER_STOP_MS / 1000} s and was ended`
      : `failed: ${exit.signal ?? `exit code ${exit.code ?? "unknown"}`}`;
  throw new Fault(
    "unhealthy",
    `after_stop of ${instanceName(name, id)} ${what}`,
    `ten logs ${instanceName(name, id)}`,
  );
}
