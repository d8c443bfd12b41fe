// Which instances a name means to commands that act on each: the instance itself, or those that carry the version.
import { type InstanceName, instanceName } from "../core/name.ts";
import type { TenClient } from "./connect.ts";

/**
 * The names of the instances that `api:v2` means, as `stop` and `weight` understand it: those of the version that run, or
 * all of them when none does. The name itself when there is none, so that the server says so.
 */
export async function instancesOf(
  client: TenClient,
  { service, id }: InstanceName,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const name = instanceName(service, id);
  const { instances } = await client.listInstances({ query: { process: service } }, { signal });
  const ofVersion = instances.filter(({ version }) => version === id);
  if (ofVersion.length === 0 || instances.some((one) => one.id === name)) return [name];
  const running = ofVersion.filter(({ state }) => state !== "stopped");
  return (running.length > 0 ? running : ofVersion).map((one) => one.id);
}
