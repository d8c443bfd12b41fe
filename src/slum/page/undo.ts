// The command that takes something back, as the page has said it, run from the page.
import type { Outcome } from "../../api/page/outcome.ts";
import type { SlumClient } from "../api/contract.ts";

/** What runs a command such as `slum server undrain iad`; undefined for one that the page has no words for. */
export function undoOf(client: SlumClient, command: string): (() => Promise<Outcome>) | undefined {
  const [, noun, verb, id = "", to = ""] = command.split(" ");
  if (noun === "tenant" && verb === "move") return () => moveTenant(client, id, to);
  if (noun === "server" && (verb === "drain" || verb === "undrain"))
    return () => drainServer(client, id, verb === "drain");
  return undefined;
}

/** A tenant's home is known only from the row as it was. */
export async function moveTenant(
  client: SlumClient,
  id: string,
  to: string,
  from?: string,
): Promise<Outcome> {
  const { tenant, warnings } = await client.moveTenant({ params: { id }, body: { server: to } });
  const message = [`${tenant.id} has its home at ${tenant.server}`, ...warnings].join("; ");
  return { message, undo: from === undefined ? null : `slum tenant move ${tenant.id} ${from}` };
}

export async function drainServer(client: SlumClient, id: string, drained: boolean): Promise<Outcome> {
  await client.drainServer({ params: { id }, body: { drained } });
  return drained
    ? { message: `${id} is drained: it gets no new requests`, undo: `slum server undrain ${id}` }
    : { message: `${id} gets requests again`, undo: `slum server drain ${id}` };
}
