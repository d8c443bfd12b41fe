// What a log view reads: the lines on disk that are asked for and every further one, and the same as a file.

import { useState } from "preact/hooks";
import { faultOf } from "../../api/page/fault.ts";
import { useWhileVisible } from "../../api/page/visible.ts";
import { Fault } from "../../core/fault.ts";
import type { TenClient } from "../api/contract.ts";
import type { LogLine } from "../logs/logs.ts";

/** Which lines are meant; an `id` left out means all instances of the service. */
export interface Wanted {
  readonly service: string;
  readonly id: string | undefined;
  readonly search: string;
  readonly level: "" | "stdout" | "stderr";
  /** As `--since` takes it: `15m`, or a date. */
  readonly since: string;
  readonly until: string;
}

export interface Numbered extends LogLine {
  readonly number: number;
}

const LINES = 500;
const LINES_MAX = 2_000;
/** As many as the server gives at once. */
const DOWNLOADED = 10_000;
/** Lines that come together are drawn together. */
const DRAW_MS = 100;
const AGAIN_MS = 2_000;

/** The last lines and those that come, while the page is visible; begun anew when something else is wanted. */
export function useLog(client: TenClient, wanted: Wanted) {
  const [lines, setLines] = useState<readonly Numbered[]>([]);
  const [isRead, setRead] = useState(false);
  const [fault, setFault] = useState<Fault>();

  async function read(signal: AbortSignal): Promise<void> {
    let number = 0;
    let held: Numbered[] = [];
    const draw = () => {
      const some = held;
      held = [];
      if (!signal.aborted) setLines((before) => [...before, ...some].slice(-LINES_MAX));
    };
    setLines([]);
    setRead(false);
    const begun = setTimeout(() => setRead(true), AGAIN_MS);
    signal.addEventListener("abort", () => clearTimeout(begun));
    for await (const line of client.followLogs({ query: queryOf(wanted, LINES) }, { signal })) {
      if (held.length === 0) setTimeout(draw, DRAW_MS);
      held.push({ ...line, number: number++ });
      if (held.length > LINES_MAX) held = held.slice(-LINES_MAX);
      setFault(undefined);
    }
    setRead(true);
  }

  useWhileVisible((signal) => {
    const turn = () =>
      read(signal).catch((thrown) => {
        if (signal.aborted) return;
        setFault(faultOf(thrown));
        if (!(thrown instanceof Fault) || thrown.code === "unreachable")
          setTimeout(() => signal.aborted || turn(), AGAIN_MS);
      });
    void turn();
  }, Object.values(wanted));
  return { lines, fault, isRead };
}

/** The lines as a file, with times and instances, for the browser to save. */
export async function download(client: TenClient, wanted: Wanted): Promise<void> {
  const { lines } = await client.logs({ query: queryOf(wanted, DOWNLOADED) });
  const text = lines.map(({ at, instance, stream, text }) => `${at ?? "-"} ${instance} ${stream} ${text}\n`);
  const url = URL.createObjectURL(new Blob(text, { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = `${[wanted.service, wanted.id].filter(Boolean).join("-")}.log`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), AGAIN_MS);
}

function queryOf({ service, id, search, level, since, until }: Wanted, limit: number) {
  return {
    service,
    limit,
    ...(id !== undefined && { id }),
    ...(search && { search }),
    ...(level && { level }),
    ...(since && { since }),
    ...(until && { until }),
  };
}
