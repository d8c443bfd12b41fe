// The page itself: servers, tenants, what is wrong anywhere, and what happened.
import { useState } from "preact/hooks";
import { Failure } from "../../api/page/failure.tsx";
import { Events, Frame, type Outcome, Outcomes, useOutcomes, wordsOf } from "../../api/page/frame.tsx";
import { useLive } from "../../api/page/live.ts";
import type { Visitor } from "../../api/page/server.ts";
import type { SlumClient } from "../api/contract.ts";
import { describeStatus, type SlumStatus } from "../api/describe-status.ts";
import type { EventView } from "../api/shapes.ts";
import type { Act } from "./act.ts";
import { Confirm } from "./confirm.tsx";
import { Servers } from "./servers.tsx";
import { Tenants } from "./tenants.tsx";

interface DashboardProps {
  readonly visitor: Visitor;
  readonly client: SlumClient;
  readonly onLeave: () => void;
}

export function Dashboard({ visitor: { principal, product }, client, onLeave }: DashboardProps) {
  const live = useLive<SlumStatus, EventView>({
    state: (signal) => client.status({}, { signal }),
    events: async (query, signal) => (await client.events({ query }, { signal })).events,
  });
  const [filter, setFilter] = useState("");
  const [act, setAct] = useState<Act>();
  const said = useOutcomes();
  const { seen } = live;
  const words = wordsOf(filter);
  const servers = (seen?.servers ?? []).filter(({ id, url, region, status }) =>
    words.every((word) => `${id} ${url} ${region ?? ""} ${status}`.includes(word)),
  );
  const done = (outcome: Outcome) => {
    setAct(undefined);
    said.add(outcome);
    live.refresh();
  };
  const frame = {
    name: "slum",
    who: principal.name,
    filters: "servers, tenants, domains",
    filter,
    product,
    live,
    onLeave,
  };
  return (
    <>
      <Frame {...frame} onFilter={setFilter} events={<Events events={live.events} subject={subjectOf} />}>
        <Outcomes {...said} />
        {seen &&
          describeStatus(seen).map((message) => (
            <Failure key={message} fault={{ message, hint: undefined }} />
          ))}
        {seen && <Servers servers={servers} onAct={setAct} />}
        {seen && (
          <Tenants client={client} words={words} total={seen.tenants} change={said.count} onAct={setAct} />
        )}
      </Frame>
      {act && seen && (
        <Confirm
          act={act}
          client={client}
          servers={seen.servers}
          onClose={() => setAct(undefined)}
          onDone={done}
        />
      )}
    </>
  );
}

function subjectOf({ server, tenant }: EventView): string {
  return tenant ?? server ?? "slum";
}
