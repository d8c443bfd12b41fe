// What the page can do, each the operation of a command: what it is called, what it asks, and how it is sent.
import type { Outcome } from "../../api/page/outcome.ts";
import type { TenClient } from "../api/contract.ts";

/** What somebody wants to do, before it is confirmed. */
export type Act =
  | { readonly kind: "weight" | "stop" | "restart" | "start"; readonly service: string; readonly id: string }
  | { readonly kind: "route"; readonly service: string; readonly id?: string }
  | { readonly kind: "rollback"; readonly service: string }
  | { readonly kind: "maintenance"; readonly service: string; readonly on: boolean };

/** What a form of the dialog says besides. */
export interface Choice {
  readonly percent: number;
  readonly from: string | undefined;
  readonly to: string;
  readonly force: boolean;
}

export async function perform(client: TenClient, act: Act, choice: Choice): Promise<Outcome> {
  const { service } = act;
  const { force, from, to, percent } = choice;
  switch (act.kind) {
    case "weight":
      return client.setShare({
        params: { instance: `${service}:${act.id}` },
        body: { weight: percent, force },
      });
    case "route":
      return client.route({ body: { service, to, force, ...(from !== undefined && { from }) } });
    case "rollback":
      return client.rollback({ body: { service } });
    case "stop":
      return client.stop({
        params: { instance: `${service}:${act.id}` },
        query: { force: force ? "true" : "false" },
      });
    case "start":
      return client.spawn({ body: { service, id: act.id, weight: 0 } });
    case "restart": {
      const { id, state } = await client.restart({ params: { instance: `${service}:${act.id}` } });
      return { message: `${id} was restarted and is ${state}`, undo: null };
    }
    case "maintenance": {
      const { message } = await client.maintenance({ params: { service }, body: { on: act.on } });
      return { message, undo: `ten maintenance ${service} ${act.on ? "off" : "on"}` };
    }
  }
}

/** The same as a command, for who would rather type. */
export function commandFor(act: Act, { percent, from, to, force }: Choice): string {
  const name = "id" in act ? `${act.service}:${act.id}` : act.service;
  const more = force ? " --force" : "";
  switch (act.kind) {
    case "weight":
      return `ten weight ${name} ${percent}${more}`;
    case "route":
      return `ten route ${act.service}${from === undefined ? "" : ` --from ${from}`} --to ${to}${more}`;
    case "stop":
      return `ten stop ${name}${more}`;
    case "start":
      return `ten spawn ${name} --weight 0`;
    case "maintenance":
      return `ten maintenance ${name} ${act.on ? "on" : "off"}`;
    case "restart":
    case "rollback":
      return `ten ${act.kind} ${name}`;
  }
}
