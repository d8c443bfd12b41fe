// The page itself: all services with their splits and instances, what happened, and the dialogs that act.
import { useState } from "preact/hooks";
import { CommandLine } from "../../api/page/copy.tsx";
import { Failure } from "../../api/page/failure.tsx";
import type { Visitor } from "../../api/page/server.ts";
import type { Caller } from "../caller.ts";
import type { TenClient } from "../contract.ts";
import type { Act, Outcome } from "./act.ts";
import { Confirm } from "./confirm.tsx";
import { Detail } from "./detail.tsx";
import { Events } from "./events.tsx";
import { type Instances, type Live, useLive } from "./live.ts";
import { Service } from "./service.tsx";

interface DashboardProps {
  readonly visitor: Visitor<Caller>;
  readonly client: TenClient;
  readonly onLeave: () => void;
}

export function Dashboard({ visitor, client, onLeave }: DashboardProps) {
  const isAdmin = visitor.principal.scope === "admin";
  const live = useLive(client, isAdmin);
  const [filter, setFilter] = useState("");
  const [openId, setOpenId] = useState<string>();
  const [act, setAct] = useState<Act>();
  const [outcomes, setOutcomes] = useState<readonly Outcome[]>([]);
  const open = live.seen?.instances.find(({ id }) => id === openId);
  const done = (outcome: Outcome) => {
    setAct(undefined);
    setOutcomes((before) => [outcome, ...before].slice(0, 3));
    live.refresh();
  };
  const notes = <Outcomes outcomes={outcomes} onDismiss={() => setOutcomes([])} />;
  return (
    <>
      <header class="top">
        <h1>
          <img src="/page.svg" alt="" width="24" height="24" /> ten
        </h1>
        <span class="host">{location.host}</span>
        <Pulse live={live} />
        <input
          type="search"
          placeholder="Filter services, instances, versions, states"
          aria-label="Filter services, instances, versions and states"
          value={filter}
          onInput={(event) => setFilter(event.currentTarget.value)}
        />
        <span class="who" title={visitor.product}>
          {visitor.principal.tenant ?? "admin"}
        </span>
        <button type="button" onClick={onLeave}>
          Log out
        </button>
      </header>
      <div class={isAdmin ? "columns" : "columns alone"}>
        <main>
          <Failure fault={live.fault} />
          {!open && notes}
          {live.seen && (
            <Services seen={live.seen} filter={filter} isAdmin={isAdmin} onAct={setAct} onOpen={setOpenId} />
          )}
        </main>
        {isAdmin && <Events events={live.events} />}
      </div>
      {open && (
        <Detail
          one={open}
          client={client}
          isAdmin={isAdmin}
          onAct={setAct}
          onClose={() => setOpenId(undefined)}
        >
          {notes}
        </Detail>
      )}
      {act && (
        <Confirm
          act={act}
          client={client}
          isAdmin={isAdmin}
          onClose={() => setAct(undefined)}
          onDone={done}
        />
      )}
    </>
  );
}

function Pulse({ live }: { readonly live: Live }) {
  const text = live.fault ? `no answer since ${live.at?.toLocaleTimeString() ?? "the start"}` : "live";
  return (
    <span class={live.fault ? "pulse lost" : "pulse"} role="status">
      {text}
    </span>
  );
}

/** What the last commands led to, and how to undo them. */
function Outcomes({
  outcomes,
  onDismiss,
}: {
  readonly outcomes: readonly Outcome[];
  readonly onDismiss: () => void;
}) {
  return (
    <div class="outcomes" role="status">
      {outcomes.map(({ message, undo }, place) => (
        <p key={place}>
          <strong>{message}</strong>
          {undo !== null && (
            <span>
              undo with <CommandLine key={undo} line={undo} />
            </span>
          )}
          {place === 0 && (
            <button type="button" class="quiet" aria-label="Dismiss" onClick={onDismiss}>
              ✕
            </button>
          )}
        </p>
      ))}
    </div>
  );
}

interface ServicesProps {
  readonly seen: Instances;
  readonly filter: string;
  readonly isAdmin: boolean;
  readonly onAct: (act: Act) => void;
  readonly onOpen: (id: string) => void;
}

function Services({ seen, filter, ...rest }: ServicesProps) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = seen.instances.filter(({ id, version, state }) =>
    words.every((word) => `${id} ${version} ${state}`.includes(word)),
  );
  const since = new Map(seen.maintenance.map((one) => [one.service, one.since]));
  const services = Map.groupBy(found, ({ service }) => service);
  if (words.length === 0)
    for (const service of since.keys()) services.set(service, services.get(service) ?? []);
  if (services.size === 0)
    return (
      <p class="wait">
        {words.length > 0
          ? "nothing matches"
          : "nothing runs; start something: ten deploy SERVICE --version v1"}
      </p>
    );
  return (
    <>
      {[...services].sort().map(([name, instances]) => (
        <Service key={name} name={name} instances={instances} maintenance={since.get(name)} {...rest} />
      ))}
    </>
  );
}
