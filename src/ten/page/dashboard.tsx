// The page itself: all services with their splits and instances, what happened, and the dialogs that act.

import { useState } from "preact/hooks";
import { type Address, useAddress } from "../../api/page/address.ts";
import { Certificates } from "../../api/page/certificates.tsx";
import { Events } from "../../api/page/events.tsx";
import { faultOf } from "../../api/page/fault.ts";
import { Frame, Outcomes, useOutcomes, wordsOf } from "../../api/page/frame.tsx";
import type { Outcome } from "../../api/page/outcome.ts";
import type { Visitor } from "../../api/page/server.ts";
import type { TenClient } from "../api/contract.ts";
import type { ServiceRate } from "../api/shapes.ts";
import { isFound, troubledFirst, troublesOf } from "../api/trouble.ts";
import type { Act } from "./act.ts";
import { Confirm } from "./confirm.tsx";
import { Detail, ServiceLog } from "./detail.tsx";
import { type EventView, type Instances, useTen } from "./live.ts";
import { Service } from "./service.tsx";
import { undoOf } from "./undo.ts";

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
  const address = useAddress();
  const [act, setAct] = useState<Act>();
  const said = useOutcomes();
  const done = (outcome: Outcome) => {
    setAct(undefined);
    said.add(outcome);
    live.refresh();
  };
  const fail = (thrown: unknown) => {
    const fault = faultOf(thrown);
    said.add({ message: [fault.message, fault.hint].filter(Boolean).join("; "), undo: null });
  };
  const instances = live.seen?.instances ?? [];
  const rates = new Map(live.seen?.services.map((one) => [one.service, one]));
  const open = instances.find(({ id }) => id === address.of("open"));
  const service = open ? undefined : address.of("log");
  const isCovered = open !== undefined || service !== undefined;
  const undo = (command: string) => (mayRelease ? undoOf(client, command) : undefined);
  const notes = <Outcomes {...said} add={done} fault={live.fault} undo={undo} />;
  const close = () => address.go({ open: undefined, log: undefined, ...NO_LOG });
  const common = { client, mayRelease, onAct: setAct };
  return (
    <>
      <Frame
        name="ten"
        filters="services, instances, versions, states"
        filter={address.of("filter") ?? ""}
        onFilter={(filter) => address.go({ filter }, "replace")}
        trouble={troublesOf(instances, rates).map((one) => ({ ...one, filter: one.word }))}
        product={product}
        live={live}
        who={principal.name}
        onLeave={onLeave}
        events={seesEvents ? <Events events={live.events} subject={subjectOf} /> : null}
      >
        {!isCovered && notes}
        {live.seen && (
          <Services
            seen={live.seen}
            rates={rates}
            address={address}
            hasCharts={seesEvents}
            onDone={done}
            onFault={fail}
            {...common}
          />
        )}
        {live.seen && scope !== "tenant" && (
          <Certificates client={client} filter={address.of("filter") ?? ""} />
        )}
      </Frame>
      {open && (
        <Detail one={open} address={address} mayAct={scope !== "read"} onClose={close} {...common}>
          {notes}
        </Detail>
      )}
      {service !== undefined && (
        <ServiceLog service={service} client={client} address={address} onClose={close}>
          {notes}
        </ServiceLog>
      )}
      {act && (
        <Confirm
          act={act}
          instances={instances}
          onClose={() => setAct(undefined)}
          onDone={done}
          {...common}
        />
      )}
    </>
  );
}

/** What a log view keeps in the address. */
const NO_LOG = { search: undefined, stream: undefined, time: undefined, until: undefined };

type Rates = ReadonlyMap<string, ServiceRate>;

/** What is of no service is the server's own. */
function subjectOf({ service, instance }: EventView): string {
  if (service === "") return "ten";
  return instance === null || instance.includes(":") ? (instance ?? service) : `${service}:${instance}`;
}

interface ServicesProps {
  readonly seen: Instances;
  readonly rates: Rates;
  readonly address: Address;
  readonly client: TenClient;
  readonly hasCharts: boolean;
  readonly mayRelease: boolean;
  readonly onDone: (outcome: Outcome) => void;
  readonly onFault: (thrown: unknown) => void;
  readonly onAct: (act: Act) => void;
}

function Services({ seen, rates, address, ...rest }: ServicesProps) {
  const words = wordsOf(address.of("filter") ?? "");
  const found = seen.instances.filter((one) => isFound(one, rates, words));
  const since = new Map(seen.maintenance.map((one) => [one.service, one.since]));
  const rolling = new Set(seen.rollouts.map((one) => one.service));
  const shadowed = new Set(seen.shadows.map((one) => one.service));
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
      {troubledFirst([...services], rates).map(([name, instances]) => (
        <Service
          key={name}
          name={name}
          instances={instances}
          rate={rates.get(name)}
          maintenance={since.get(name)}
          change={changes.get(name)}
          isRolling={rolling.has(name)}
          isShadowed={shadowed.has(name)}
          onOpen={(id) => address.go({ open: id, log: undefined })}
          onLog={() => address.go({ log: name, open: undefined })}
          address={address}
          {...rest}
        />
      ))}
    </>
  );
}
