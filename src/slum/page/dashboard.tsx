// The page itself: servers, tenants, what is wrong anywhere, and what happened.
import { useMemo, useState } from "preact/hooks";
import { useAddress } from "../../api/page/address.ts";
import { Certificates } from "../../api/page/certificates.tsx";
import { Events } from "../../api/page/events.tsx";
import { Frame, Outcomes, useOutcomes, wordsOf } from "../../api/page/frame.tsx";
import { useLive } from "../../api/page/live.ts";
import type { Outcome } from "../../api/page/outcome.ts";
import type { Visitor } from "../../api/page/server.ts";
import { useAnswer } from "../../api/page/visible.ts";
import type { SlumClient } from "../api/contract.ts";
import { describeStatus, type SlumStatus } from "../api/describe-status.ts";
import type { EventView, HistoryView } from "../api/shapes.ts";
import type { Act } from "./act.ts";
import { Confirm } from "./confirm.tsx";
import { ServerDetail, TenantDetail } from "./detail.tsx";
import { periodsOf } from "./outages.ts";
import { Servers } from "./servers.tsx";
import { Tenants, UNROUTABLE } from "./tenants.tsx";
import { Timeline } from "./timeline.tsx";
import { undoOf } from "./undo.ts";
import { Webhooks } from "./webhooks.tsx";

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
  const address = useAddress();
  const filter = address.of("filter") ?? "";
  const [act, setAct] = useState<Act>();
  const said = useOutcomes();
  const { seen } = live;
  const mayAct = principal.scope === "admin";
  const words = wordsOf(filter).filter((word) => word !== UNROUTABLE);
  const servers = (seen?.servers ?? []).filter(({ id, url, region, status, drained }) =>
    words.every((word) =>
      `${id} ${url} ${region ?? ""} ${status} ${drained ? "drained" : ""}`.includes(word),
    ),
  );
  const standing = standingOf(seen);
  const history = useHistory(client, standing);
  const periods = useMemo(() => (history && seen ? periodsOf(history, seen.servers) : []), [history, seen]);
  const openServer = (id: string) => address.go({ server: id, tenant: undefined });
  const close = () => address.go({ server: undefined, tenant: undefined });
  const opened = seen?.servers.find(({ id }) => id === address.of("server"));
  const domain = address.of("tenant");
  const done = (outcome: Outcome) => {
    setAct(undefined);
    said.add(outcome);
    live.refresh();
  };
  const sample = (id: string) =>
    client.testWebhook({ params: { id } }).then(
      ({ said: text }) => done({ message: `${id}: ${text}`, undo: null }),
      (thrown) =>
        done({ message: `${id}: ${thrown instanceof Error ? thrown.message : thrown}`, undo: null }),
    );
  const outcomes = (
    <Outcomes
      {...said}
      add={done}
      fault={live.fault}
      undo={(command) => (mayAct ? undoOf(client, command) : undefined)}
    />
  );
  // Who asks for tenants sees them without scrolling.
  const wantsTenants = wordsOf(filter).includes(UNROUTABLE);
  const tenants = seen && (
    <Tenants
      client={client}
      filter={filter}
      address={address}
      total={seen.tenants}
      unroutable={seen.unroutable_total}
      change={said.count}
      standing={standing}
      mayAct={mayAct}
      onAct={setAct}
    />
  );
  return (
    <>
      <Frame
        name="slum"
        who={principal.name}
        filters="servers, tenants, domains"
        filter={filter}
        onFilter={(text) => address.go({ filter: text, page: undefined }, "replace")}
        trouble={seen ? troubleOf(seen) : []}
        product={product}
        live={live}
        onLeave={onLeave}
        events={<Events events={live.events} subject={subjectOf} />}
      >
        {!(opened || domain) && outcomes}
        {seen && <Notes seen={seen} />}
        {wantsTenants && tenants}
        {seen && (
          <Servers
            servers={servers}
            all={seen.servers}
            history={history}
            periods={periods}
            mayAct={mayAct}
            onAct={setAct}
            onOpen={openServer}
          />
        )}
        {seen && history && (
          <Timeline
            history={history}
            periods={periods}
            servers={seen.servers}
            address={address}
            onOpen={openServer}
          />
        )}
        {!wantsTenants && tenants}
        {seen && <Certificates client={client} filter={filter} />}
        {seen && <Webhooks client={client} mayAct={mayAct} onTest={sample} change={said.count} />}
      </Frame>
      {opened && (
        <ServerDetail
          one={opened}
          client={client}
          history={history}
          periods={periods}
          mayAct={mayAct}
          onAct={setAct}
          onTenants={() => address.go({ server: undefined, filter: opened.id, page: undefined })}
          onClose={close}
        >
          {outcomes}
        </ServerDetail>
      )}
      {!opened && domain !== undefined && (
        <TenantDetail domain={domain} client={client} onClose={close}>
          {outcomes}
        </TenantDetail>
      )}
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

/** Other words when a server is something else than before. */
function standingOf(seen: SlumStatus | undefined): string {
  return (seen?.servers ?? []).map(({ id, status, drained }) => `${id} ${status} ${drained}`).join();
}

const HISTORY_EVERY_MS = 60_000;

/** The last day, read again each minute and whenever a server has changed. */
function useHistory(client: SlumClient, standing: string): HistoryView | undefined {
  return useAnswer((signal) => client.fleetHistory({}, { signal }), HISTORY_EVERY_MS, [standing]).answer;
}

function troubleOf({ servers, unroutable_total: unroutable }: SlumStatus) {
  const offline = servers.filter(({ status }) => status === "offline").length;
  return [
    { count: offline, word: "offline", filter: "offline" },
    { count: unroutable, word: unroutable === 1 ? "tenant down" : "tenants down", filter: UNROUTABLE },
  ];
}

/** What is wrong beside servers and tenants. */
function Notes({ seen }: { readonly seen: SlumStatus }) {
  // Those without a server are a filter of their own.
  const notes = describeStatus({ ...seen, unroutable: [], unroutable_total: 0 });
  return (
    <>
      {notes.map((text) => (
        <p key={text} class="failure">
          {text}
        </p>
      ))}
    </>
  );
}

function subjectOf({ server, tenant }: EventView): string {
  return tenant ?? server ?? "slum";
}
