// What the page can do, each the operation of a command.
import type { Outcome } from "../../api/page/frame.tsx";
import type { SlumClient } from "../api/contract.ts";
import type { ServerView, TenantView } from "../api/shapes.ts";

export type Act =
  | { readonly kind: "drain" | "undrain" | "check"; readonly server: ServerView }
  | { readonly kind: "move"; readonly tenant: TenantView };

/** `to` is the server that a tenant moves to. */
export async function perform(client: SlumClient, act: Act, to: string): Promise<Outcome> {
  if (act.kind === "move") {
    const { tenant, warnings } = await client.moveTenant({
      params: { id: act.tenant.id },
      body: { server: to },
    });
    const message = [`${tenant.id} has its home at ${tenant.server}`, ...warnings].join("; ");
    return { message, undo: `slum tenant move ${tenant.id} ${act.tenant.server}` };
  }
  const { id } = act.server;
  if (act.kind === "check") {
    const { healthy, detail, warnings } = await client.checkServer({ params: { id } });
    const message = [`${id} is ${healthy ? "healthy" : "not healthy"}: ${detail}`, ...warnings].join("; ");
    return { message, undo: null };
  }
  const drained = act.kind === "drain";
  await client.drainServer({ params: { id }, body: { drained } });
  return drained
    ? { message: `${id} is drained: it gets no new requests`, undo: `slum server undrain ${id}` }
    : { message: `${id} gets requests again`, undo: `slum server drain ${id}` };
}

/** The same as a command, for who would rather type. */
export function commandFor(act: Act, to: string): string {
  if (act.kind === "move") return `slum tenant move ${act.tenant.id} ${to}`;
  return `slum server ${act.kind} ${act.server.id}`;
}
