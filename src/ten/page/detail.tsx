// What opens beside the page: one instance with every fact about it and its log, or the log of a whole service.
import type { ComponentChildren } from "preact";
import type { Address } from "../../api/page/address.ts";
import { Dialog } from "../../api/page/dialog.tsx";
import { momentOf } from "../../api/page/time.ts";
import { formatBytes, formatMillis, formatSeconds } from "../../cli/format.ts";
import { spanText } from "../../core/judge/words.ts";
import type { TenClient } from "../api/contract.ts";
import type { InstanceView } from "../api/shapes.ts";
import type { Act } from "./act.ts";
import { LogView } from "./log-view.tsx";
import { labelOf } from "./plan.ts";
import { State } from "./service.tsx";
import { Why } from "./why-panel.tsx";

interface DetailProps {
  readonly one: InstanceView;
  readonly client: TenClient;
  readonly address: Address;
  readonly mayRelease: boolean;
  /** Whether it may be started and stopped. */
  readonly mayAct: boolean;
  readonly onAct: (act: Act) => void;
  readonly onClose: () => void;
  /** What the last commands led to. */
  readonly children: ComponentChildren;
}

export function Detail({ one, client, address, mayRelease, mayAct, onAct, onClose, children }: DetailProps) {
  const { service } = one;
  const id = labelOf(one.id);
  const isStopped = one.state === "stopped";
  const act = (kind: "weight" | "route" | "stop" | "restart" | "start", text: string) => (
    <button type="button" onClick={() => onAct({ kind, service, id })}>
      {text}
    </button>
  );
  return (
    <Dialog title={one.id} shape="drawer" onClose={onClose}>
      <div class="acts">
        {mayRelease && !isStopped && act("weight", "Weight…")}
        {mayRelease && !isStopped && act("route", "Route to it…")}
        {mayAct && act(isStopped ? "start" : "restart", isStopped ? "Start…" : "Restart…")}
        {mayAct && !isStopped && act("stop", "Stop…")}
      </div>
      <Why key={`why ${one.id}`} client={client} instance={one.id} />
      <dl class="facts">{facts(one).map(([name, value]) => fact(name, value))}</dl>
      <LogView key={one.id} client={client} service={service} id={id} address={address} />
      {children}
    </Dialog>
  );
}

interface ServiceLogProps extends Pick<DetailProps, "client" | "address" | "onClose" | "children"> {
  readonly service: string;
}

export function ServiceLog({ service, client, address, onClose, children }: ServiceLogProps) {
  return (
    <Dialog title={`Log of ${service}`} shape="drawer" onClose={onClose}>
      <LogView key={service} client={client} service={service} address={address} />
      {children}
    </Dialog>
  );
}

function fact(name: string, value: ComponentChildren) {
  return (
    <div key={name}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function facts(one: InstanceView): [string, ComponentChildren][] {
  const all: [string, ComponentChildren | null][] = [
    ["State", <State key="state" state={one.state} />],
    ["Reason", one.reason],
    ["Version", one.version],
    ["Weight", one.weight],
    ["Share", `${one.share} %`],
    ["Req/s", one.requests_per_sec],
    [
      "Errors",
      `${one.error_percent} % in the last ${spanText(one.error_window_secs * 1000)}; ${one.errors} of ${one.requests} in all`,
    ],
    ["p95", written(one.p95_ms, formatMillis)],
    ["In flight", one.in_flight],
    ["CPU", written(one.cpu_percent, (percent) => `${percent} %`)],
    ["Memory", written(one.memory_bytes, formatBytes)],
    ["Uptime", written(one.uptime_secs, formatSeconds)],
    ["Idle", written(one.idle_secs, formatSeconds)],
    ["Restarts", one.restarts],
    ["Last exit", one.last_exit],
    ["Next try", written(one.next_try_secs, (secs) => `in ${formatSeconds(secs)}`)],
    ["Pid", one.pid],
    ["Port", one.port],
    ["Created", momentOf(one.created_at)],
  ];
  return all.filter(([, value]) => value !== null && value !== "");
}

function written(value: number | null, format: (value: number) => string): string | null {
  return value === null ? null : format(value);
}
