// What ten's page knows of its server.

import type { Answer } from "../../api/operation.ts";
import { type Live, useLive } from "../../api/page/live.ts";
import type { TenClient, TenContract } from "../api/contract.ts";

export type Instances = Answer<TenContract["listInstances"]>;
export type EventView = Answer<TenContract["events"]>["events"][number];
export type TenLive = Live<Instances, EventView>;

/** Events are not for tenants: `seesEvents` false leaves them out. */
export function useTen(client: TenClient, seesEvents: boolean): TenLive {
  return useLive<Instances, EventView>({
    state: (signal) => client.listInstances({}, { signal }),
    events: async (query, signal) => (seesEvents ? (await client.events({ query }, { signal })).events : []),
  });
}
