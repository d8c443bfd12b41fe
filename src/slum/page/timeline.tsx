// When servers were offline or drained, and what that meant for their tenants, along the last hours.

import type { Address } from "../../api/page/address.ts";
import { Name } from "../../api/page/name.tsx";
import { timeTicks } from "../../api/page/plot.ts";
import { Ranges } from "../../api/page/ranges.tsx";
import { clockOf, minuteOf, momentOf } from "../../api/page/time.ts";
import { formatSeconds } from "../../cli/format.ts";
import type { HistoryView, ServerView } from "../api/shapes.ts";
import type { Period } from "./outages.ts";

interface TimelineProps {
  readonly history: HistoryView;
  readonly periods: readonly Period[];
  readonly servers: readonly ServerView[];
  readonly address: Address;
  readonly onOpen: (id: string) => void;
}

const RANGES = [
  ["1h", "1 hour", 3_600_000],
  ["6h", "6 hours", 21_600_000],
  ["24h", "24 hours", 86_400_000],
] as const;
const WIDTH = 1_000;
/** What is shorter is still to be seen. */
const LEAST = 4;
/** Rows of the picture, and lines below it. */
const ROWS = 12;
const LINES = 8;

export function Timeline({ history, periods, servers, address, onOpen }: TimelineProps) {
  const [range, , spanMs] = RANGES.find(([value]) => value === address.of("range")) ?? RANGES[2];
  const nowMs = Date.now();
  const startMs = nowMs - spanMs;
  const shown = periods.filter(({ toMs = nowMs }) => toMs > startMs);
  const moves = history.changes.filter(({ kind, at }) => kind === "tenant.moved" && Date.parse(at) > startMs);
  const names = [...new Set(shown.map(({ server }) => server))].slice(0, ROWS);
  const x = (ms: number) => Math.max(0, ((ms - startMs) / spanMs) * WIDTH);
  const errors = errorsOf(history, startMs);
  const total = errors.reduce((sum, { count }) => sum + count, 0);
  return (
    <section class="service" aria-labelledby="failovers">
      <header>
        <h2 id="failovers">Failovers</h2>
        <span class="count">
          {shown.length === 0 ? "none" : shown.length}
          {moves.length > 0 && `, ${moves.length} tenants moved`}
          {total > 0 &&
            `, ${total} ${total === 1 ? "visitor" : "visitors"} answered with errors by slum itself`}
        </span>
        <Ranges
          legend="Time of the failovers"
          ranges={RANGES}
          range={range}
          address={address}
          class="ranges acts"
        />
      </header>
      {names.length + errors.length > 0 && (
        <div class="timeline" aria-hidden="true">
          {names.map((server) => (
            <div key={server} class="track">
              <span>{server}</span>
              <svg viewBox={`0 0 ${WIDTH} 14`} preserveAspectRatio="none" aria-hidden="true">
                {shown
                  .filter((one) => one.server === server)
                  .map(({ kind, fromMs, toMs = nowMs }, place) => (
                    <rect
                      key={place}
                      class={kind === "offline" ? "down" : "drained"}
                      x={Math.min(WIDTH - LEAST, x(fromMs))}
                      width={Math.max(LEAST, x(toMs) - x(fromMs))}
                      height="14"
                    />
                  ))}
              </svg>
            </div>
          ))}
          {errors.length > 0 && (
            <div class="track">
              <span>slum itself</span>
              <svg viewBox={`0 0 ${WIDTH} 14`} preserveAspectRatio="none" aria-hidden="true">
                {errors.map(({ atMs, count }) => (
                  <rect
                    key={atMs}
                    class="down"
                    x={Math.min(WIDTH - LEAST, x(atMs))}
                    width={Math.max(LEAST, x(atMs + history.step_secs * 1000) - x(atMs))}
                    height="14"
                  >
                    <title>{`${clockOf(atMs)} ${count} answered with errors`}</title>
                  </rect>
                ))}
              </svg>
            </div>
          )}
          <Times startMs={startMs} nowMs={nowMs} />
        </div>
      )}
      {shown.length === 0 && <p class="wait">no server was offline or drained in this time</p>}
      {shown.length > 0 && (
        <ul class="outages" aria-label="Failovers, the newest first">
          {shown.slice(0, LINES).map((period, place) => (
            <Line key={place} period={period} servers={servers} nowMs={nowMs} onOpen={onOpen} />
          ))}
          {shown.length > LINES && <li class="count">and {shown.length - LINES} before these</li>}
        </ul>
      )}
    </section>
  );
}

/** The steps in which slum itself answered visitors with errors. */
function errorsOf({ start, step_secs: secs, proxy_errors: counts }: HistoryView, startMs: number) {
  return counts
    .map((count, place) => ({ atMs: Date.parse(start) + place * secs * 1000, count }))
    .filter(({ atMs, count }) => count > 0 && atMs + secs * 1000 > startMs);
}

function Times({ startMs, nowMs }: { readonly startMs: number; readonly nowMs: number }) {
  return (
    <div class="track times">
      <span />
      <span class="along">
        {timeTicks(startMs, nowMs, 420).map((ms) => (
          <time key={ms} style={{ left: `${(100 * (ms - startMs)) / (nowMs - startMs)}%` }}>
            {minuteOf(ms)}
          </time>
        ))}
      </span>
    </div>
  );
}

interface LineProps extends Pick<TimelineProps, "servers" | "onOpen"> {
  readonly period: Period;
  readonly nowMs: number;
}

function Line({ period: { server, kind, fromMs, toMs, text }, servers, nowMs, onOpen }: LineProps) {
  const homes = servers.find(({ id }) => id === server)?.tenants ?? 0;
  const lasted = formatSeconds(((toMs ?? nowMs) - fromMs) / 1000);
  return (
    <li class={kind === "offline" && toMs === undefined ? "bad" : ""}>
      <time dateTime={new Date(fromMs).toISOString()} title={momentOf(fromMs)}>
        {clockOf(fromMs)}
      </time>{" "}
      <button type="button" class="name" onClick={() => onOpen(server)}>
        <Name text={server} />
      </button>{" "}
      {kind} {toMs === undefined ? `for ${lasted} now` : `for ${lasted}`}
      {text !== "" && `: ${text}`}
      {homes > 0 && <span class="count"> · home of {homes === 1 ? "1 tenant" : `${homes} tenants`}</span>}
    </li>
  );
}
