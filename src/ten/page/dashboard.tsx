// The page itself: all services with their splits and instances, what happened, and the dialogs that act.
import { useState } from "preact/hooks";
import { Events, Frame, type Outcome, Outcomes, useOutcomes, wordsOf } from "../../api/page/frame.tsx";
import type { Visitor } from "../../api/page/server.ts";
import type { TenClient } from "../api/contract.ts";
import type { Act } from "./act.ts";
import { Confirm } from "./confirm.tsx";
import { Detail } from "./detail.tsx";
import { type EventView, type Instances, useTen } from "./live.ts";
import { Service } from "./service.tsx";

interface DashboardProps {
  readonly visitor: Visitor;
  readonly client: TenClient;
  readonly onLeave: () => void;
}

export function Dashboard({ visitor: { principal, product }, client, onLeave }: DashboardProps) {
  const { scope } = principal;
  const mayRelease = scope === "admin" || scope === "deploy";
  const seesEvents = scope !== "tenant";
  const live = useTen(client, seesEvents);
  const [filter, setFilter] = useState("");
  const [openId, setOpenId] = useState<string>();
  const [act, setAct] = useState<Act>();
  const said = useOutcomes();
  const open = live.seen?.instances.find(({ id }) => id === openId);
  const done = (outcome: Outcome) => {
    setAct(undefined);
    said.add(outcome);
    live.refresh();
  };
  const notes = <Outcomes {...said} />;
  const frame = {
    name: "ten",
    filters: "services, instances, versions, states",
    filter,
    product,
    live,
    onLeave,
  };
  const common = { client, mayRelease, onAct: setAct };
  return (
    <>
      <Frame
        {...frame}
        who={principal.name}
        onFilter={setFilter}
        events={seesEvents ? <Events events={live.events} subject={subjectOf} /> : null}
      >
        {!open && notes}
        {live.seen && <Services seen={live.seen} filter={filter} onOpen={setOpenId} {...common} />}
      </Frame>
      {open && (
        <Detail one={open} mayAct={scope !== "read"} onClose={() => setOpenId(undefined)} {...common}>
          {notes}
        </Detail>
      )}
      {act && <Confirm act={act} onClose={() => setAct(undefined)} onDone={done} {...common} />}
    </>
  );
}

function subjectOf({ service, instance }: EventView): string {
  return instance === null || instance.includes(":") ? (instance ?? service) : `${service}:${instance}`;
}

interface ServicesProps {
  readonly seen: Instances;
  readonly filter: string;
  readonly mayRelease: boolean;
  readonly onAct: (act: Act) => void;
  readonly onOpen: (id: string) => void;
}

function Services({ seen, filter, ...rest }: ServicesProps) {
  const words = wordsOf(filter);
  const found = seen.instances.filter(({ id, version, state }) =>
    words.every((word) => `${id} ${version} ${state}`.includes(word)),
  );
  const since = new Map(seen.maintenance.map((one) => [one.service, one.since]));
  const changes = new Map(seen.changes.map((one) => [one.service, one]));
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
        <Service
          key={name}
          name={name}
          instances={instances}
          maintenance={since.get(name)}
          change={changes.get(name)}
          {...rest}
        />
      ))}
    </>
  );
}
