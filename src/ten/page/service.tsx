// One service: its split, what can be done with it, and its instances.
import { useState } from "preact/hooks";
import type { Address } from "../../api/page/address.ts";
import { Cards, Cell } from "../../api/page/cards.tsx";
import { Name } from "../../api/page/name.tsx";
import type { Outcome } from "../../api/page/outcome.ts";
import { momentOf } from "../../api/page/time.ts";
import { formatBytes, formatMillis, formatSeconds } from "../../cli/format.ts";
import { spanText } from "../../core/judge/words.ts";
import type { TenClient } from "../api/contract.ts";
import type { InstanceView, LastChange, ServiceRate } from "../api/shapes.ts";
import { isDegraded } from "../api/trouble.ts";
import type { Act } from "./act.ts";
import { Charts } from "./charts.tsx";
import { labelOf, type VersionShare, versionShares } from "./plan.ts";
import { Rollout } from "./rollout-panel.tsx";
import { ShadowPanel } from "./shadow-panel.tsx";
import { colourOf, SplitBar } from "./split.tsx";
import { Verdict } from "./verdict.tsx";

interface ServiceProps {
  readonly name: string;
  readonly instances: readonly InstanceView[];
  /** Undefined for tenants. */
  readonly rate: ServiceRate | undefined;
  readonly change: LastChange | undefined;
  /** Since when it is under maintenance. */
  readonly maintenance: string | undefined;
  readonly mayRelease: boolean;
  readonly onAct: (act: Act) => void;
  readonly onOpen: (id: string) => void;
  readonly onLog: () => void;
  readonly client: TenClient;
  readonly address: Address;
  /** Not for tenants: whole services are none of theirs. */
  readonly hasCharts: boolean;
  /** A rollout of it is under way. */
  readonly isRolling: boolean;
  /** Copies of its requests are made. */
  readonly isShadowed: boolean;
  readonly onDone: (outcome: Outcome) => void;
  readonly onFault: (thrown: unknown) => void;
}

/** More rows than that are asked for: nobody reads a thousand. */
const ROWS = 100;

export function Service({ name, instances, rate, maintenance, change, mayRelease, ...on }: ServiceProps) {
  const { onAct, onOpen, onLog, onDone, onFault, client, address, hasCharts, isRolling, isShadowed } = on;
  const [isWhole, setWhole] = useState(false);
  const [hasStopped, setStopped] = useState(false);
  const versions = versionShares(instances);
  const running = instances.filter(({ state }) => state !== "stopped");
  const stopped = instances.length - running.length;
  const listed = hasStopped ? instances : running;
  const shown = isWhole ? listed : listed.slice(0, ROWS);
  const isOn = maintenance !== undefined;
  return (
    <section class="service" aria-labelledby={`service-${name}`}>
      <header>
        <h2 id={`service-${name}`}>{name}</h2>
        {isOn && (
          <span class="badge warn" title={`since ${maintenance}`}>
            maintenance
          </span>
        )}
        <span class="count">{running.length === 1 ? "1 instance" : `${running.length} instances`}</span>
        {change && (
          <span class="count" title={`${change.command}, at ${momentOf(change.at)}`}>
            last changed by {change.by ?? "ten"}
          </span>
        )}
        <div class="acts">
          {mayRelease && (
            <>
              <button type="button" onClick={() => onAct({ kind: "route", service: name })}>
                Route…
              </button>
              <button type="button" onClick={() => onAct({ kind: "rollback", service: name })}>
                Roll back…
              </button>
              <button type="button" onClick={() => onAct({ kind: "maintenance", service: name, on: !isOn })}>
                {isOn ? "End maintenance…" : "Maintenance…"}
              </button>
            </>
          )}
          <button type="button" onClick={onLog} aria-label={`Log of all instances of ${name}`}>
            Log
          </button>
        </div>
      </header>
      {rate && (
        <Verdict
          rate={rate}
          change={change}
          instances={instances}
          mayRelease={mayRelease}
          onAct={onAct}
          onOpen={onOpen}
        />
      )}
      <SplitBar versions={versions} />
      {hasCharts && isRolling && (
        <Rollout client={client} service={name} mayRelease={mayRelease} onDone={onDone} onFault={onFault} />
      )}
      {hasCharts && isShadowed && (
        <ShadowPanel
          client={client}
          service={name}
          mayRelease={mayRelease}
          onDone={onDone}
          onFault={onFault}
        />
      )}
      {hasCharts && (
        <Charts
          client={client}
          service={name}
          versions={versions}
          isSingle={running.length === versions.length}
          address={address}
        />
      )}
      {shown.length > 0 && (
        <Table
          rows={shown}
          rate={rate}
          versions={versions}
          mayRelease={mayRelease}
          onAct={onAct}
          onOpen={onOpen}
        />
      )}
      <div class="more">
        {shown.length < listed.length && (
          <button type="button" class="quiet" onClick={() => setWhole(true)}>
            Show all {listed.length}
          </button>
        )}
        {stopped > 0 && (
          <button
            type="button"
            class="quiet"
            aria-pressed={hasStopped}
            onClick={() => setStopped(!hasStopped)}
          >
            {hasStopped ? "Hide" : "Show"} {stopped} stopped
          </button>
        )}
      </div>
    </section>
  );
}

interface TableProps extends Pick<ServiceProps, "rate" | "mayRelease" | "onAct" | "onOpen"> {
  readonly rows: readonly InstanceView[];
  readonly versions: readonly VersionShare[];
}

const HEADINGS = ["Weight", "Share", "Req/s", "Err %", "p95", "CPU", "Memory", "Uptime", "Restarts"];

function Table({ rows, versions, ...rest }: TableProps) {
  return (
    <Cards words={["Instance", "State"]} numbers={HEADINGS}>
      {rows.map((one) => (
        <Row key={one.id} one={one} colour={colourOf(versions, one.version)} {...rest} />
      ))}
    </Cards>
  );
}

interface RowProps extends Pick<ServiceProps, "rate" | "mayRelease" | "onAct" | "onOpen"> {
  readonly one: InstanceView;
  readonly colour: string;
}

/** Fewer errors, in percent, are everybody's. */
const MANY_ERRORS = 1;

function Row({ one, colour, rate, mayRelease, onAct, onOpen }: RowProps) {
  const label = labelOf(one.id);
  const isStopped = one.state === "stopped";
  const worse = isDegraded(one, rate) ? rate?.comparison.trouble : undefined;
  const set = () => onAct({ kind: "weight", service: one.service, id: label });
  return (
    <tr role="row" class={`is-${one.state}`}>
      <th scope="row" role="rowheader">
        <button
          type="button"
          class="name"
          onClick={() => onOpen(one.id)}
          aria-label={`${one.id}, details and log`}
        >
          <i class={colour} />
          <Name text={label} />
        </button>
        {one.version !== label && (
          <span class="version">
            <Name text={one.version} />
          </span>
        )}
      </th>
      <td role="cell" class="state">
        <State state={one.state} />
        {one.state !== "healthy" && <span class="reason">{one.reason}</span>}
      </td>
      <Cell heading="Weight">
        {mayRelease && !isStopped ? (
          <button
            type="button"
            class="set"
            onClick={set}
            aria-label={`Set the weight of ${one.id}, now ${one.weight}`}
          >
            {one.weight}
          </button>
        ) : (
          one.weight
        )}
      </Cell>
      <Cell heading="Share">{one.share} %</Cell>
      <Cell heading="Req/s">{one.requests_per_sec}</Cell>
      <Cell heading="Err %" isBad={worse === "fails" || one.error_percent >= MANY_ERRORS}>
        <span title={`in the last ${spanText(one.error_window_secs * 1000)}`}>{one.error_percent}</span>
      </Cell>
      <Cell heading="p95" isBad={worse === "slow"}>
        {one.p95_ms === null ? "–" : formatMillis(one.p95_ms)}
      </Cell>
      <Cell heading="CPU">{one.cpu_percent === null ? "–" : `${one.cpu_percent} %`}</Cell>
      <Cell heading="Memory">{one.memory_bytes === null ? "–" : formatBytes(one.memory_bytes)}</Cell>
      <Cell heading="Uptime">{one.uptime_secs === null ? "–" : formatSeconds(one.uptime_secs)}</Cell>
      <Cell heading="Restarts" isBad={one.restarts > 0}>
        <span title={one.last_exit === null ? "" : `last exit: ${one.last_exit}`}>{one.restarts}</span>
      </Cell>
    </tr>
  );
}

export function State({ state }: Pick<InstanceView, "state">) {
  return <span class={`badge state-${state}`}>{state}</span>;
}
