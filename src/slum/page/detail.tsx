// What opens beside the page: one server with its last day, or one tenant; and why it is as it is.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Headings } from "../../api/page/cards.tsx";
import { Chart, Numbers } from "../../api/page/chart.tsx";
import { CommandLine } from "../../api/page/copy.tsx";
import { Dialog } from "../../api/page/dialog.tsx";
import { Failure } from "../../api/page/failure.tsx";
import { clockOf, momentOf } from "../../api/page/time.ts";
import { useAnswer } from "../../api/page/visible.ts";
import { formatMillis, formatProxyAnswers } from "../../cli/format.ts";
import type { SlumClient } from "../api/contract.ts";
import type { HistoryView, ServerView, WhyView } from "../api/shapes.ts";
import type { Act } from "./act.ts";
import type { Period } from "./outages.ts";
import { Acts, Day, Status } from "./servers.tsx";

interface ServerDetailProps {
  readonly one: ServerView;
  readonly client: SlumClient;
  readonly history: HistoryView | undefined;
  readonly periods: readonly Period[];
  readonly mayAct: boolean;
  readonly onAct: (act: Act) => void;
  readonly onTenants: () => void;
  readonly onClose: () => void;
  /** What the last commands led to. */
  readonly children: ComponentChildren;
}

export function ServerDetail(props: ServerDetailProps) {
  const { one, client, history, periods, mayAct, onAct, onTenants, onClose, children } = props;
  return (
    <Dialog title={one.id} shape="drawer" onClose={onClose}>
      <div class="acts">
        {mayAct && <Acts one={one} onAct={onAct} />}
        <button type="button" onClick={onTenants}>
          {one.tenants === 1 ? "Its tenant" : `Its ${one.tenants} tenants`}
        </button>
      </div>
      <Why key={one.id} client={client} subject={one.id} />
      {history && <Latency one={one} history={history} periods={periods} />}
      <dl class="facts">
        {factsOf(one).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {children}
    </Dialog>
  );
}

interface TenantDetailProps extends Pick<ServerDetailProps, "client" | "onClose" | "children"> {
  readonly domain: string;
}

/** Of a wildcard, what is true of any name under it. */
export function TenantDetail({ domain, client, onClose, children }: TenantDetailProps) {
  return (
    <Dialog title={domain} shape="drawer" onClose={onClose}>
      <Why key={domain} client={client} subject={domain.replace(/^\*/, "any")} />
      {children}
    </Dialog>
  );
}

/** Steps of its chart that are always shown. */
const LEAST_STEPS = 8;

function Latency({
  one,
  history,
  periods,
}: Pick<ServerDetailProps, "one" | "periods"> & { readonly history: HistoryView }) {
  const [at, setAt] = useState<number>();
  const checks = history.servers.find(({ id }) => id === one.id);
  const own = periods.filter(({ server }) => server === one.id);
  const stepMs = history.step_secs * 1000;
  const all = checks?.latency_ms ?? [];
  // What was before its first check is no part of a picture.
  const skip = Math.max(
    0,
    Math.min(
      all.findIndex((ms) => ms !== null),
      all.length - LEAST_STEPS,
    ),
  );
  const startMs = Date.parse(history.start) + skip * stepMs;
  const lines = [{ name: one.id, colour: 0, values: all.slice(skip) }];
  const marks = own
    .filter(({ fromMs }) => fromMs >= startMs)
    .map(({ kind, fromMs, text }) => ({
      atMs: fromMs,
      text: `${clockOf(fromMs)} ${kind} ${text}`,
      isBad: kind === "offline",
    }));
  return (
    <div class="traffic">
      <Day history={history} checks={checks} periods={own} />
      <Chart
        title="Latency of its checks, 24 hours"
        startMs={startMs}
        stepMs={stepMs}
        lines={lines}
        marks={marks}
        format={formatMillis}
        at={at}
        onAt={setAt}
      />
      <Numbers
        title="The numbers as a table"
        startMs={startMs}
        stepMs={stepMs}
        charts={[{ name: "Latency", lines, format: formatMillis }]}
      />
    </div>
  );
}

function factsOf(one: ServerView): [string, ComponentChildren][] {
  const moment = (iso: string | null) => iso && momentOf(iso);
  const all: [string, ComponentChildren][] = [
    ["Status", <Status key="status" one={one} />],
    ["Since", moment(one.since)],
    ["URL", one.url],
    ["Region", one.region],
    ["Checked at", moment(one.checked_at)],
    ["Last check", one.last_check],
    ["Last error", one.last_error && `${one.last_error}, ${moment(one.last_error_at)}`],
    ["Health path", one.health_path],
    ["Host that it is sent", one.keeps_host ? "the visitor's" : "its own"],
    ["Addressed by", one.addressing],
    ["In flight", one.in_flight],
    ["Requests", one.requests],
    ["Failures", one.failures],
  ];
  return all.filter(([, value]) => value !== null && value !== "");
}

const EVERY_MS = 10_000;

interface WhyProps extends Pick<ServerDetailProps, "client"> {
  /** A server, a tenant or a domain. */
  readonly subject: string;
}

/** As `slum why` says it: the cause first, then who is asked and what can be seen of each from here. */
function Why({ client, subject }: WhyProps) {
  const { answer: why, fault } = useAnswer(
    (signal) => client.why({ query: { subject } }, { signal }),
    EVERY_MS,
    [subject],
  );
  if (!why) return <Failure fault={fault} />;
  const isWell = why.cause === "well";
  const own = formatProxyAnswers(why.proxy_answers, "slum");
  return (
    <section class={isWell ? "why" : "why bad"} aria-label="Why it is as it is">
      <p class="cause">{why.text}</p>
      {!isWell && why.hint !== "" && <p class="hint">{why.hint}</p>}
      {own !== undefined && <p class="own">{own}</p>}
      {why.route && <Candidates route={why.route} />}
      <details open={!isWell}>
        <summary>What can be seen of its servers from here</summary>
        <ul>
          {why.servers.map(({ id, status, text, dns, tls, latency_ms: latency }) => (
            <li key={id}>
              <b>{id}</b> {text.startsWith(`${id} `) ? text.slice(id.length + 1) : text}
              {latency !== null && status !== "offline" && `, ${formatMillis(latency)}`}
              {dns.addresses.length > 0 && `, ${dns.addresses.join(", ")}`}
              {dns.error !== null && `, DNS: ${dns.error}`}
              {tls !== null &&
                tls.days_left !== null &&
                `, certificate for ${Math.floor(tls.days_left)} more days`}
              {tls !== null && tls.error !== null && `, TLS: ${tls.error}`}
            </li>
          ))}
        </ul>
        <p class="try">
          <CommandLine line={`slum why ${subject}`} />
        </p>
      </details>
    </section>
  );
}

function Candidates({ route }: { readonly route: NonNullable<WhyView["route"]> }) {
  return (
    <table class="candidates">
      <caption class="hidden">Who is asked for {route.domain}, in order</caption>
      <Headings words={["Server", "Status", "What is known"]} />
      <tbody>
        {route.candidates.map(({ server, status, note }) => (
          <tr key={server} class={server === route.server ? "chosen" : ""}>
            <th scope="row">
              {server}
              {server === route.server && <span class="badge state-healthy">serves it</span>}
            </th>
            <td>{status}</td>
            <td>{note}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
