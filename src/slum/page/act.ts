// What the page can do, each the operation of a command.
import type { Outcome } from "../../api/page/outcome.ts";
import type { SlumClient } from "../api/contract.ts";
import type { ServerView, TenantView } from "../api/shapes.ts";
import { drainServer, moveTenant } from "./undo.ts";

export type Act =
  | { readonly kind: "drain" | "undrain" | "check"; readonly server: ServerView }
  | { readonly kind: "move"; readonly tenant: TenantView };

/** `to` is the server that a tenant moves to. */
export async function perform(client: SlumClient, act: Act, to: string): Promise<Outcome> {
  if (act.kind === "move") return moveTenant(client, act.tenant.id, to, act.tenant.server);
  const { id } = act.server;
  if (act.kind !== "check") return drainServer(client, id, act.kind === "drain");
  const { healthy, detail, warnings } = await client.checkServer({ params: { id } });
  const message = [`${id} is ${healthy ? "healthy" : "not healthy"}: ${detail}`, ...warnings].join("; ");
  return { message, undo: null };
}

/** The same as a command, for who would rather type. */
export function commandFor(act: Act, to: string): string {
  if (act.kind === "move") return `slum tenant move ${act.tenant.id} ${to}`;
  return `slum server ${act.kind} ${act.server.id}`;
}
