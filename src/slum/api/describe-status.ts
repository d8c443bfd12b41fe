// What is wrong in a fleet, in words.
import type { Answer } from "../../api/operation.ts";
import type { SlumContract } from "./contract.ts";

/** What `slum ps` shows. */
export type SlumStatus = Answer<SlumContract["status"]>;

const NAMES_SHOWN = 5;

export function describeStatus({
  registry,
  unroutable,
  unroutable_total: total,
  webhooks,
  certificates,
}: SlumStatus): string[] {
  const names = unroutable.slice(0, NAMES_SHOWN).join(", ");
  return [
    ...(registry.ok ? [] : [`the registry cannot be used, routing goes on without it: ${registry.trouble}`]),
    ...(total > 0 ? [`${total} without a server: ${names}${total > NAMES_SHOWN ? ", ..." : ""}`] : []),
    ...(webhooks.waiting > 0 ? [`${webhooks.waiting} webhook messages wait for their receivers`] : []),
    ...certificates,
  ];
}
