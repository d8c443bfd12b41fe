// Which instances a name means to commands that act on each: the instance itself, those that carry the version, or all of the service.
import { Fault } from "../../core/fault.ts";
import { instanceName, parseInstance } from "../../core/name.ts";
import { named } from "../../core/rollout.ts";
import type { TenClient } from "../api/contract.ts";
import type { Subject } from "./arguments.ts";

/**
 * The names of the instances that `api:v2` means, as to `stop` and `weight`; itself when there is none, so that the server says so.
 * `api` alone means those that run; a `not_found` fault when none does.
 */
export async function instancesOf(
  client: TenClient,
  { service, id }: Subject,
  signal: AbortSignal,
): Promise<readonly string[]> {
  if (id === undefined) {
    const { split } = await client.split({ params: { service } }, { signal });
    if (split.length === 0)
      throw new Fault(
        "not_found",
        `no instance of ${service} runs`,
        `start one: ten deploy ${service} --version v1`,
      );
    return split.map((one) => one.id);
  }
  const { instances } = await client.listInstances({ query: { service } }, { signal });
  const members = instances.map((one) => ({
    ...parseInstance(one.id),
    version: one.version,
    runs: one.state !== "stopped",
  }));
  const found = named(members, id);
  return (found.length > 0 ? found : [{ id }]).map((one) => instanceName(service, one.id));
}
