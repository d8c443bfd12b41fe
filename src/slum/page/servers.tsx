// The servers as a grid by region: which are up, how fast they answer, and how the last day was.
import { Spark } from "../../api/page/chart.tsx";
import { Name } from "../../api/page/name.tsx";
import { Since } from "../../api/page/since.tsx";
import { momentOf } from "../../api/page/time.ts";
import { formatMillis, formatSeconds } from "../../cli/format.ts";
import type { HistoryView, ServerView } from "../api/shapes.ts";
import type { Act } from "./act.ts";
import { type Period, type StepState, stepStates, upShare } from "./outages.ts";
import { Verdicts } from "./verdict.tsx";

interface ServersProps {
  /** Those that the filter has found. */
  readonly servers: readonly ServerView[];
  readonly all: readonly ServerView[];
  /** Undefined until it was read. */
  readonly history: HistoryView | undefined;
  readonly periods: readonly Period[];
  readonly mayAct: boolean;
  readonly onAct: (act: Act) => void;
  readonly onOpen: (id: string) => void;
}

/** More than that nobody reads at once; the filter finds the others. */
const SHOWN = 240;

export function Servers({ servers, all, history, periods, ...rest }: ServersProps) {
  const total = all.length;
  const isFiltered = servers.length < total;
  const shown = troubledFirst(servers).slice(0, SHOWN);
  const checks = new Map(history?.servers.map((one) => [one.id, one]));
  const periodsOf = Map.groupBy(periods, ({ server }) => server);
  const dayOf = (id: string): DayOf | undefined =>
    history && { history, checks: checks.get(id), periods: periodsOf.get(id) ?? [] };
  const whole = Map.groupBy(all, ({ region }) => region ?? "");
  const regions = Map.groupBy(shown, ({ region }) => region ?? "");
  // Within a region the first is the worst.
  const rank = (name: string) => RANKS[regions.get(name)?.[0]?.status ?? "online"];
  const names = [...regions.keys()].toSorted(
    (a, b) => rank(a) - rank(b) || Number(a === "") - Number(b === "") || compare(a, b),
  );
  return (
    <section class="service" aria-labelledby="servers">
      <header>
        <h2 id="servers">Servers</h2>
        <span class="count">{isFiltered ? `${servers.length} of ${total}` : total}</span>
      </header>
      <Verdicts servers={servers} {...rest} />
      {servers.length === 0 && (
        <p class="wait">
          {isFiltered ? "no server matches" : "none; add one: slum server add ID https://..."}
        </p>
      )}
      <div class="regions">
        {names.map((name) => (
          <Region
            key={name}
            name={name}
            isOnly={names.length === 1}
            servers={regions.get(name) ?? []}
            all={whole.get(name) ?? []}
            dayOf={dayOf}
            {...rest}
          />
        ))}
      </div>
      {servers.length > SHOWN && (
        <p class="count">and {servers.length - SHOWN} more: filter by a name, a region or a status</p>
      )}
    </section>
  );
}

const RANKS = { offline: 0, unknown: 1, online: 2 } as const;

function troubledFirst(servers: readonly ServerView[]): ServerView[] {
  return servers.toSorted((a, b) => RANKS[a.status] - RANKS[b.status] || compare(a.id, b.id));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** `servers` are those that are shown, `all` those that there are. */
interface RegionProps extends Omit<ServersProps, "history" | "periods"> {
  readonly dayOf: (id: string) => DayOf | undefined;
  /** Empty for those that were given none. */
  readonly name: string;
  readonly isOnly: boolean;
}

/** Regions with as many stand alone in their row. */
const MOST_SPAN = 4;

function Region({ name, isOnly, servers, all, dayOf, ...rest }: RegionProps) {
  const online = all.filter(({ status, drained }) => status !== "offline" && !drained).length;
  return (
    <section
      class={`region span${Math.min(MOST_SPAN, servers.length)}`}
      aria-label={name === "" ? "Servers without a region" : `Region ${name}`}
    >
      {!(isOnly && name === "") && (
        <h3>
          {name === "" ? "no region" : name}{" "}
          <span class={online === 0 ? "count bad" : "count"}>
            {online} of {all.length} take requests
          </span>
        </h3>
      )}
      <ul class="tiles">
        {servers.map((one) => (
          <Tile key={one.id} one={one} day={dayOf(one.id)} {...rest} />
        ))}
      </ul>
    </section>
  );
}

interface TileProps extends Pick<ServersProps, "mayAct" | "onAct" | "onOpen"> {
  readonly one: ServerView;
  readonly day: DayOf | undefined;
}

function Tile({ one, day, mayAct, onAct, onOpen }: TileProps) {
  const latency = day?.checks?.latency_ms ?? [];
  const bySlum = answeredFor(one);
  return (
    <li class={one.status === "offline" ? "tile bad" : "tile"}>
      <header>
        <button type="button" class="name" aria-label={`Server ${one.id}`} onClick={() => onOpen(one.id)}>
          <Name text={one.id} />
        </button>
        <Status one={one} />
      </header>
      <span class="version">
        <Name text={one.url} />
      </span>
      <div class="latency">
        <Latency one={one} />
        {latency.filter((ms) => ms !== null).length > 1 && <Spark values={latency} colour={0} />}
      </div>
      {day && (
        <>
          <Day {...day} />
          <DayWords {...day} />
        </>
      )}
      <dl class="counts">
        {(
          [
            ["Tenants", one.tenants],
            ["In flight", one.in_flight],
            ["Requests", one.requests],
            ["Failures", one.failures, one.failures > 0 && one.failures >= LEAST_FAILURES * one.requests],
            ...(bySlum > 0 ? [["By slum, 5 min", bySlum] as const] : []),
          ] as const
        ).map(([name, value, isBad]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd class={isBad ? "bad" : ""}>{value}</dd>
          </div>
        ))}
      </dl>
      {mayAct && <Acts one={one} onAct={onAct} />}
    </li>
  );
}

/** Of the requests: fewer failures are everybody's. */
const LEAST_FAILURES = 0.01;

/** What does not answer has no latency; what it was is no answer to how it does. */
function Latency({ one: { status, latency_ms: ms, since } }: { readonly one: ServerView }) {
  if (status === "offline")
    return (
      <span class="reason">
        <Since since={since} format={formatSeconds} />
      </span>
    );
  return <b>{ms === null ? "–" : formatMillis(ms)}</b>;
}

/** Requests that slum answered itself when this server had been asked last. */
function answeredFor({ proxy_answers: own }: ServerView): number {
  return own?.reasons.reduce((sum, { count }) => sum + count, 0) ?? 0;
}

interface ActsProps extends Pick<ServersProps, "onAct"> {
  readonly one: ServerView;
}

/** What can be done with a server. */
export function Acts({ one, onAct }: ActsProps) {
  const act = (kind: "drain" | "undrain" | "check", word: string) => (
    <button type="button" aria-label={`${word} ${one.id}`} onClick={() => onAct({ kind, server: one })}>
      {word}…
    </button>
  );
  return (
    <div class="acts">
      {one.drained ? act("undrain", "Undrain") : act("drain", "Drain")}
      {act("check", "Check")}
    </div>
  );
}

/** What is known of the last day of one server. */
interface DayOf {
  readonly history: HistoryView;
  /** Undefined: it has not been checked yet. */
  readonly checks: HistoryView["servers"][number] | undefined;
  /** Its own. */
  readonly periods: readonly Period[];
}

const WIDTH = 288;

/** The last day as a strip, a quarter of an hour a step. */
export function Day({ history, checks, periods }: DayOf) {
  const states = stepStates(history, checks?.failed ?? [], periods);
  const words = dayWords({ history, periods });
  return (
    <svg class="day" viewBox={`0 0 ${WIDTH} 12`} preserveAspectRatio="none" role="img" aria-label={words}>
      <title>{words}</title>
      {runsOf(states).map(({ from, to, state }) => (
        <rect
          key={from}
          class={state}
          x={(from / states.length) * WIDTH}
          width={((to - from) / states.length) * WIDTH}
          height="12"
        />
      ))}
    </svg>
  );
}

function dayWords({ history, periods }: Pick<DayOf, "history" | "periods">): string {
  const { percent, falls } = upShare(periods, Date.parse(history.start), Date.now());
  return `up ${percent} % of the last day, ${falls === 0 ? "never" : falls === 1 ? "once" : `${falls} times`} offline`;
}

/** The same below the strip, which says it to a screen reader. */
function DayWords(day: DayOf) {
  return (
    <span class="day-words" aria-hidden="true">
      {dayWords(day)}
    </span>
  );
}

function runsOf(states: readonly StepState[]): { from: number; to: number; state: StepState }[] {
  const runs: { from: number; to: number; state: StepState }[] = [];
  for (const [place, state] of states.entries()) {
    const last = runs.at(-1);
    if (last?.state === state) last.to = place + 1;
    else runs.push({ from: place, to: place + 1, state });
  }
  return runs;
}

const LOOKS = { online: "state-healthy", offline: "state-failed", unknown: "state-starting" } as const;

export function Status({ one: { status, drained, since } }: { readonly one: ServerView }) {
  return (
    <span class="state">
      <span class={`badge ${LOOKS[status]}`} title={`since ${momentOf(since)}`}>
        {status}
      </span>
      {drained && <span class="badge warn">drained</span>}
    </span>
  );
}
