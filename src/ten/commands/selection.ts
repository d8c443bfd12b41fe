// Which instances a name means to commands that act on each: the instance itself, or those that carry the version.
import { type InstanceName, instanceName, parseInstance } from "../../core/name.ts";
import { named } from "../../core/rollout.ts";
import type { TenClient } from "../api/contract.ts";

/** The names of the instances that `api:v2` means, as to `stop` and `weight`; itself when there is none, so that the server says so. */
export async function instancesOf(
  client: TenClient,
  { service, id }: InstanceName,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { instances } = await client.listInstances({ query: { service } }, { signal });
  const members = instances.map((one) => ({
    ...parseInstance(one.id),
    version: one.version,
    runs: one.state !== "stopped",
  }));
  const found = named(members, id);
  return (found.length > 0 ? found : [{ id }]).map((one) => instanceName(service, one.id));
}
