// The log of an instance or of a whole service: its last lines, every further one as it comes, and a search over what is on
// disk by text, stream and time. All of it is text, whatever an app wrote.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Address } from "../../api/page/address.ts";
import { piecesOf } from "../../api/page/ansi.ts";
import { Failure } from "../../api/page/failure.tsx";
import { faultOf } from "../../api/page/fault.ts";
import { clockOf } from "../../api/page/time.ts";
import type { Fault } from "../../core/fault.ts";
import type { TenClient } from "../api/contract.ts";
import { download, type Numbered, useLog, type Wanted } from "./log-lines.ts";
import { labelOf } from "./plan.ts";

interface LogViewProps {
  readonly client: TenClient;
  readonly service: string;
  /** Left out: all instances, each in a colour of its own. */
  readonly id?: string;
  readonly address: Address;
}

/** What is chosen most, as `--since` takes it. */
const TIMES = [
  ["", "any time"],
  ["5m", "last 5 min"],
  ["15m", "last 15 min"],
  ["1h", "last hour"],
  ["24h", "last day"],
] as const;
const BETWEEN = "between";
const TYPED_MS = 300;

export function LogView({ client, service, id, address }: LogViewProps) {
  const chosen = useChosen(address);
  const [isFollowing, setFollowing] = useState(true);
  const [saving, setSaving] = useState<Fault>();
  const search = useLater(chosen.search, TYPED_MS);
  const wanted: Wanted = { ...chosen, service, id, search };
  const { lines, fault, isRead } = useLog(client, wanted);
  const box = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (isFollowing) box.current?.scrollTo({ top: box.current.scrollHeight });
  }, [lines, isFollowing]);
  const onScroll = ({ currentTarget: at }: { currentTarget: HTMLElement }) =>
    setFollowing(at.scrollHeight - at.scrollTop - at.clientHeight < 30);
  const save = () =>
    download(client, wanted).then(
      () => setSaving(undefined),
      (thrown) => setSaving(faultOf(thrown)),
    );

  const places = new Map(
    [...new Set(lines.map(({ instance }) => instance))].sort().map((name, i) => [name, i]),
  );
  const none = search === "" && chosen.since === "" ? "nothing written yet" : "no line matches";
  return (
    <section class="log" aria-label={`Log of ${id === undefined ? service : `${service}:${id}`}`}>
      <Tools chosen={chosen} address={address} />
      <div class="tools">
        {chosen.until === "" && (
          <button type="button" aria-pressed={isFollowing} onClick={() => setFollowing(!isFollowing)}>
            Follow
          </button>
        )}
        <button type="button" onClick={save}>
          Download
        </button>
        <span class="count">{lines.length} lines</span>
      </div>
      <Failure fault={fault ?? saving} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: keys scroll it */}
      <div class="lines" ref={box} onScroll={onScroll} role="log" aria-live="off" tabIndex={0}>
        {lines.length === 0 && <p class="wait">{isRead ? none : "reading…"}</p>}
        {lines.map((line) => (
          <LineView
            key={line.number}
            line={line}
            place={id === undefined ? places.get(line.instance) : undefined}
            onTime={(at) => address.go(aroundOf(at))}
          />
        ))}
      </div>
    </section>
  );
}

type Chosen = Pick<Wanted, "search" | "level" | "since" | "until">;

function useChosen(address: Address): Chosen {
  const stream = address.of("stream");
  return {
    search: address.of("search") ?? "",
    level: stream === "stdout" || stream === "stderr" ? stream : "",
    since: address.of("time") ?? "",
    until: address.of("until") ?? "",
  };
}

function Tools({ chosen, address }: { readonly chosen: Chosen; readonly address: Address }) {
  const { since, until } = chosen;
  const isNamed = until === "" && TIMES.some(([value]) => value === since);
  const choose = (value: string) => {
    const hour = 3_600_000;
    const now = Date.now();
    if (value !== BETWEEN) address.go({ time: value, until: undefined });
    else address.go({ time: new Date(now - hour).toISOString(), until: new Date(now).toISOString() });
  };
  return (
    <div class="tools">
      <input
        type="search"
        placeholder="Search the log"
        aria-label="Search the log"
        maxLength={1000}
        value={chosen.search}
        onInput={(event) => address.go({ search: event.currentTarget.value }, "replace")}
      />
      <select
        aria-label="Stream"
        value={chosen.level}
        onChange={(event) => address.go({ stream: event.currentTarget.value })}
      >
        <option value="">both</option>
        <option value="stdout">stdout</option>
        <option value="stderr">stderr</option>
      </select>
      <select
        aria-label="Time"
        value={isNamed ? since : BETWEEN}
        onChange={(event) => choose(event.currentTarget.value)}
      >
        {TIMES.map(([value, word]) => (
          <option key={value} value={value}>
            {word}
          </option>
        ))}
        <option value={BETWEEN}>between…</option>
      </select>
      {!isNamed && (
        <>
          <Moment label="From" value={since} onChange={(time) => address.go({ time })} />
          <Moment label="To" value={until} onChange={(time) => address.go({ until: time })} />
        </>
      )}
    </div>
  );
}

interface MomentProps {
  readonly label: string;
  /** ISO 8601 in UTC; shown as the browser's own time. */
  readonly value: string;
  readonly onChange: (value: string) => void;
}

function Moment({ label, value, onChange }: MomentProps) {
  const at = new Date(value);
  const offsetMs = at.getTimezoneOffset() * 60_000;
  const local = Number.isNaN(at.getTime())
    ? ""
    : new Date(at.getTime() - offsetMs).toISOString().slice(0, 19);
  const read = ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
    const chosen = new Date(currentTarget.value);
    if (!Number.isNaN(chosen.getTime())) onChange(chosen.toISOString());
  };
  return <input type="datetime-local" step="1" aria-label={label} value={local} onChange={read} />;
}

const AROUND_MS = 30_000;

/** The lines of all streams around one. */
function aroundOf(at: string) {
  const ms = Date.parse(at);
  const iso = (time: number) => new Date(time).toISOString();
  return { time: iso(ms - AROUND_MS), until: iso(ms + AROUND_MS), search: undefined, stream: undefined };
}

interface LineProps {
  readonly line: Numbered;
  /** Where several instances are shown: which colour it has. */
  readonly place: number | undefined;
  readonly onTime: (at: string) => void;
}

const COLOURS = 6;

function LineView({ line, place, onTime }: LineProps) {
  const { at } = line;
  return (
    <div class={line.stream}>
      {at !== null && (
        <button type="button" class="time" title={`${at}: what came around it`} onClick={() => onTime(at)}>
          <time dateTime={at}>{clockOf(at)}</time>
        </button>
      )}
      {place !== undefined && (
        <span class="of">
          <i class={`c${place % COLOURS}`} />
          {labelOf(line.instance)}
        </span>
      )}
      <bdi>
        {piecesOf(line.text).map(({ text, classes }, number) =>
          classes === "" ? (
            text
          ) : (
            <span key={number} class={classes}>
              {text}
            </span>
          ),
        )}
      </bdi>
    </div>
  );
}

/** The value once it has been the same for so long. */
function useLater<T>(value: T, delayMs: number): T {
  const [later, setLater] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setLater(value), delayMs);
    return () => clearTimeout(timer);
  }, [value]);
  return later;
}
