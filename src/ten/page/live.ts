// What the page knows of the server, read again every two seconds while somebody looks at it.
import { useState } from "preact/hooks";
import type { Answer } from "../../api/operation.ts";
import { usePoll } from "../../api/page/visible.ts";
import { Fault } from "../../core/fault.ts";
import type { TenClient, TenContract } from "../contract.ts";

export type Instances = Answer<TenContract["listInstances"]>;
export type EventView = Answer<TenContract["events"]>["events"][number];

export interface Live {
  /** Undefined until the first answer. */
  readonly seen: Instances | undefined;
  /** Newest first. */
  readonly events: readonly EventView[];
  /** Why there is no answer now. */
  readonly fault: Fault | undefined;
  /** When the last answer came, for people. */
  readonly at: Date | undefined;
  /** Reads at once, after an action. */
  refresh(): void;
}

const EVERY_MS = 2_000;
const EVENTS_KEPT = 200;

/** Events are the admin's alone; `isAdmin` false leaves them out. */
export function useLive(client: TenClient, isAdmin: boolean): Live {
  const [seen, setSeen] = useState<Instances>();
  const [events, setEvents] = useState<readonly EventView[]>([]);
  const [fault, setFault] = useState<Fault>();
  const [at, setAt] = useState<Date>();

  async function read(signal?: AbortSignal): Promise<void> {
    try {
      const [first] = events;
      const [instances, fresh] = await Promise.all([
        client.listInstances({}, { ...(signal && { signal }) }),
        isAdmin
          ? client.events(
              { query: { limit: EVENTS_KEPT, ...(first && { after: first.seq }) } },
              { ...(signal && { signal }) },
            )
          : { events: [] },
      ]);
      setSeen(instances);
      setEvents((known) => merge(known, fresh.events));
      setFault(undefined);
      setAt(new Date());
    } catch (thrown) {
      if (!signal?.aborted)
        setFault(thrown instanceof Fault ? thrown : new Fault("internal", String(thrown)));
    }
  }

  usePoll(read, EVERY_MS);
  return { seen, events, fault, at, refresh: () => void read() };
}

/** Both may have asked from the same place: no event is shown twice. */
function merge(known: readonly EventView[], fresh: readonly EventView[]): readonly EventView[] {
  const newest = known[0]?.seq ?? -1;
  const more = fresh.filter(({ seq }) => seq > newest).reverse();
  return more.length === 0 ? known : [...more, ...known].slice(0, EVENTS_KEPT);
}
