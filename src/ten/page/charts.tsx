// A service's traffic as charts, one line a version, with marks where somebody deployed or moved weights.

import { useRef, useState } from "preact/hooks";
import type { Address } from "../../api/page/address.ts";
import { By } from "../../api/page/by.tsx";
import { Headings } from "../../api/page/cards.tsx";
import { Chart, type Line, type Mark, Numbers, Spark } from "../../api/page/chart.tsx";
import { Ranges } from "../../api/page/ranges.tsx";
import { clockOf } from "../../api/page/time.ts";
import { useAnswer, useNear } from "../../api/page/visible.ts";
import { formatMillis } from "../../cli/format.ts";
import type { TenClient } from "../api/contract.ts";
import type { TrafficView } from "../api/shapes.ts";
import type { VersionShare } from "./plan.ts";
import { colourNumber } from "./split.tsx";

interface ChartsProps {
  readonly client: TenClient;
  readonly service: string;
  readonly versions: readonly VersionShare[];
  /** Of each version one. */
  readonly isSingle: boolean;
  readonly address: Address;
}

const RANGES = [
  ["15m", "15 min"],
  ["1h", "1 hour"],
  ["24h", "24 hours"],
] as const;
const EVERY_MS = 5_000;

/** Of hundreds of services only those are charted that somebody looks at: the others ask nothing, and keep their height. */
export function Charts(props: ChartsProps) {
  const { box, isNear } = useNear();
  const height = useRef<number>(undefined);
  if (isNear && box.current) height.current = box.current.offsetHeight;
  return (
    <div
      ref={box}
      class="charted"
      style={{ minHeight: isNear ? "" : height.current && `${height.current}px` }}
    >
      {isNear && <ChartsNear {...props} />}
    </div>
  );
}

function ChartsNear({ client, service, versions, isSingle, address }: ChartsProps) {
  const range = RANGES.find(([value]) => value === address.of("range"))?.[0] ?? "15m";
  const { answer } = useAnswer(
    (signal) => client.traffic({ params: { service }, query: { range } }, { signal }),
    EVERY_MS,
    [service, range],
  );
  const [at, setAt] = useState<number>();
  if (!answer) return null;
  const seen = sinceFirst(answer);
  const isQuiet = seen.total.requests.every((count) => count === 0);
  const isRedundant =
    isSingle && seen.versions.every((one) => versions.some(({ version }) => version === one.version));
  const names = seen.versions.map(({ version }) => version);
  const colour = (version: string) => colourNumber(versions, version, names);
  type Version = TrafficView["versions"][number];
  const lines = (
    values: (one: Version) => readonly (number | null)[],
    now: (one: Version) => number | null,
  ): Line[] =>
    seen.versions.map((one) => ({
      name: one.version,
      colour: colour(one.version),
      values: values(one),
      now: now(one),
    }));
  /** Before its first request a version was not there, which is not the same as none a second. */
  const perSecond = (counts: readonly number[]) => {
    const first = counts.findIndex((count) => count > 0);
    return counts.map((count, place) => (place < first - 1 ? null : count / seen.step_secs));
  };
  const share = ({ requests, failed }: TrafficView["total"]) =>
    requests.map((count, place) => (count === 0 ? null : (100 * (failed[place] ?? 0)) / count));
  const common = {
    startMs: Date.parse(seen.start),
    stepMs: seen.step_secs * 1000,
    marks: marksOf(seen),
    at,
    onAt: setAt,
  };
  const charts = [
    {
      name: "Requests/s",
      lines: lines(
        ({ requests }) => perSecond(requests),
        ({ requests_per_sec: now }) => now,
      ),
      format: formatCount,
    },
    {
      name: "Errors",
      lines: lines(share, ({ error_percent: now, requests }) => (sum(requests) === 0 ? null : now)),
      format: formatShare,
    },
    {
      name: "p95",
      lines: lines(
        (one) => one.p95_ms,
        ({ now_p95_ms: now }) => now,
      ),
      format: formatMillis,
    },
  ];
  return (
    <div class="traffic">
      <div class="traffic-head">
        <Marks seen={seen} />
        <Ranges legend={`Time of the charts of ${service}`} ranges={RANGES} range={range} address={address} />
      </div>
      {!isQuiet && (
        <>
          <div class="charts">
            {charts.map((chart) => (
              <Chart key={chart.name} title={chart.name} {...chart} {...common} />
            ))}
          </div>
          <Versions seen={seen} colour={colour} isRedundant={isRedundant} />
          <Numbers title={`The numbers of ${service} as a table`} {...common} charts={charts} />
        </>
      )}
    </div>
  );
}

/** Steps that are always shown. */
const LEAST_STEPS = 12;

/** What was before the first request is no part of a picture: a service that is new has its charts filled. */
function sinceFirst(seen: TrafficView): TrafficView {
  const { requests } = seen.total;
  const first = requests.findIndex((count) => count > 0);
  const skip = Math.max(0, Math.min(first - 1, requests.length - LEAST_STEPS));
  const startMs = Date.parse(seen.start) + skip * seen.step_secs * 1000;
  const cut = <T extends TrafficView["total"]>(one: T): T => ({
    ...one,
    requests: one.requests.slice(skip),
    failed: one.failed.slice(skip),
    p95_ms: one.p95_ms.slice(skip),
  });
  return {
    ...seen,
    start: new Date(startMs).toISOString(),
    total: cut(seen.total),
    versions: seen.versions.map(cut),
  };
}

interface VersionsProps {
  readonly seen: TrafficView;
  readonly colour: (version: string) => number;
  /** Each version is one instance, whose row says the same. */
  readonly isRedundant: boolean;
}

/** The numbers of now, and the same as small lines: what a screen reader reads in place of the charts. */
function Versions({ seen, colour, isRedundant }: VersionsProps) {
  return (
    <table class={isRedundant ? "versions hidden" : "versions"}>
      <caption class="hidden">Versions of {seen.service} now</caption>
      <Headings words={["Version", "Req/s", "Errors", "p50", "p95", "p99", "Errors over time"]} />
      <tbody>
        {seen.versions.map((one) => (
          <tr key={one.version} class={seen.comparison.worse === one.version ? "worse" : ""}>
            <th scope="row">
              <i class={`c${colour(one.version)}`} />
              {one.version}
            </th>
            <td>{one.requests_per_sec}</td>
            <td>
              {one.error_percent} %<span class="over"> in {spanOf(one.error_window_secs)}</span>
            </td>
            <td>{timeOf(one.p50_ms)}</td>
            <td>{timeOf(one.now_p95_ms)}</td>
            <td>{timeOf(one.p99_ms)}</td>
            <td>
              <Spark values={one.failed} colour={colour(one.version)} />
              <span class="hidden">{sum(one.failed)} failed</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** They have room for as many from the beginning: one more moves nothing under a pointer. */
const SHOWN = 2;

function Marks({ seen: { marks } }: { readonly seen: TrafficView }) {
  const [isWhole, setWhole] = useState(false);
  const newest = marks.toReversed();
  return (
    <div class={isWhole ? "marks whole" : "marks"}>
      {newest.length > 0 && (
        <ul aria-label="What was done in this time">
          {(isWhole ? newest : newest.slice(0, SHOWN)).map((mark, place) => (
            <li key={place} class={isBad(mark.kind) ? "bad" : ""} title={textOf(mark)}>
              <time dateTime={mark.at}>{clockOf(mark.at)}</time> {textOf(mark)}
              <By by={mark.by} />
            </li>
          ))}
        </ul>
      )}
      {newest.length > SHOWN && (
        <button
          type="button"
          class="quiet"
          aria-expanded={isWhole}
          aria-label={isWhole ? "Fewer of what was done" : `${newest.length - SHOWN} more of what was done`}
          onClick={() => setWhole(!isWhole)}
        >
          {isWhole ? "Less" : `${newest.length - SHOWN} more`}
        </button>
      )}
    </div>
  );
}

function marksOf({ marks }: TrafficView): Mark[] {
  return marks.map((mark) => ({
    atMs: Date.parse(mark.at),
    text: `${clockOf(mark.at)} ${textOf(mark)}${mark.by === null ? "" : ` · by ${mark.by}`}`,
    isBad: isBad(mark.kind),
  }));
}

/** What its text begins with anyway needs no name. */
function textOf({ kind, text }: TrafficView["marks"][number]): string {
  return kind === "traffic" || kind === "deploy.failed" ? text : `${kind} ${text}`;
}

function isBad(kind: string): boolean {
  return kind === "deploy.failed" || kind === "rollout.rolled_back";
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function timeOf(ms: number | null): string {
  return ms === null ? "–" : formatMillis(ms);
}

function formatCount(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Math.round(value * 10) / 10);
}

function formatShare(value: number): string {
  return `${value >= 10 ? Math.round(value) : Math.round(value * 10) / 10} %`;
}

function spanOf(secs: number): string {
  return secs < 60 ? `${secs} s` : secs < 3_600 ? `${secs / 60} min` : `${secs / 3_600} h`;
}
