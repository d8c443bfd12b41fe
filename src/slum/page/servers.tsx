// The servers with their health, and what can be done with each.
import { Cards, Cell } from "../../api/page/cards.tsx";
import { Name } from "../../api/page/name.tsx";
import { formatMillis } from "../../cli/format.ts";
import type { ServerView } from "../api/shapes.ts";
import type { Act } from "./act.ts";

interface ServersProps {
  /** Those that the filter has found. */
  readonly servers: readonly ServerView[];
  /** How many there are. */
  readonly total: number;
  readonly mayAct: boolean;
  readonly onAct: (act: Act) => void;
}

const HEADINGS = ["Latency", "Tenants", "In flight", "Requests", "Failures"];

export function Servers({ servers, total, mayAct, onAct }: ServersProps) {
  const isFiltered = servers.length < total;
  return (
    <section class="service" aria-labelledby="servers">
      <header>
        <h2 id="servers">Servers</h2>
        <span class="count">{isFiltered ? `${servers.length} of ${total}` : total}</span>
      </header>
      {servers.length === 0 && (
        <p class="wait">
          {isFiltered ? "no server matches" : "none; add one: slum server add ID https://..."}
        </p>
      )}
      {servers.length > 0 && (
        <Cards words={["Server", "Status"]} numbers={HEADINGS} hasActs={mayAct}>
          {troubledFirst(servers).map((one) => (
            <Row key={one.id} one={one} mayAct={mayAct} onAct={onAct} />
          ))}
        </Cards>
      )}
    </section>
  );
}

const RANKS = { offline: 0, unknown: 1, online: 2 } as const;

function troubledFirst(servers: readonly ServerView[]): ServerView[] {
  return servers.toSorted((a, b) => RANKS[a.status] - RANKS[b.status]);
}

interface RowProps extends Pick<ServersProps, "mayAct" | "onAct"> {
  readonly one: ServerView;
}

function Row({ one, mayAct, onAct }: RowProps) {
  const values = [
    one.latency_ms === null ? "–" : formatMillis(one.latency_ms),
    one.tenants,
    one.in_flight,
    one.requests,
    one.failures,
  ];
  const act = (kind: "drain" | "undrain" | "check", word: string) => (
    <button type="button" aria-label={`${word} ${one.id}`} onClick={() => onAct({ kind, server: one })}>
      {word}…
    </button>
  );
  return (
    <tr role="row">
      <th scope="row" role="rowheader">
        <b>
          <Name text={one.id} />
        </b>
        <span class="version">
          <Name text={one.url} />
        </span>
        {one.region !== null && <span class="version">{one.region}</span>}
      </th>
      <td role="cell" class="state">
        <Status one={one} />
        {one.last_error !== null && one.status === "offline" && <span class="reason">{one.last_error}</span>}
      </td>
      {HEADINGS.map((heading, place) => (
        <Cell key={heading} heading={heading}>
          {values[place]}
        </Cell>
      ))}
      {mayAct && (
        <td role="cell" class="doing">
          <div class="acts">
            {one.drained ? act("undrain", "Undrain") : act("drain", "Drain")}
            {act("check", "Check")}
          </div>
        </td>
      )}
    </tr>
  );
}

const LOOKS = { online: "state-healthy", offline: "state-failed", unknown: "state-starting" } as const;

function Status({ one: { status, drained, since } }: { readonly one: ServerView }) {
  return (
    <>
      <span class={`badge ${LOOKS[status]}`} title={`since ${since}`}>
        {status}
      </span>
      {drained && <span class="badge warn">drained</span>}
    </>
  );
}
