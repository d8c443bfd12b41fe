// What instances wrote: the last lines of their two files, and what is appended from then on.
import { open, stat } from "node:fs/promises";
import { instanceName } from "../core/name.ts";
import { type Clock, sleep } from "../platform/clock.ts";
import type { Instance } from "./instance.ts";
import type { DataPaths, Stream } from "./paths.ts";
import type { Registry } from "./registry.ts";
import type { LogLine, LogQuery } from "./shapes.ts";

export interface Logs {
  /** The last lines that match, at most `limit` of each file; those of one stream in their order. */
  tail(query: LogQuery): Promise<LogLine[]>;
  /** The same, then every further line that matches, until the signal fires. */
  follow(query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>;
  /** The last lines of an instance, stdout before stderr. */
  lastOutput(instance: Instance, lines: number): Promise<readonly string[]>;
}

interface LogFile {
  readonly instance: string;
  readonly stream: Stream;
  readonly path: string;
}

const STREAMS: readonly Stream[] = ["stdout", "stderr"];
const BLOCK_BYTES = 64 * 1024;
/** How far back a search goes in one file. */
const SEARCH_BYTES = 16 * 1024 * 1024;
const POLL_MS = 200;
/** A line that never ends is passed on in parts. */
const LINE_BYTES = 256 * 1024;

export function createLogs(parts: { registry: Registry; paths: DataPaths; clock: Clock }): Logs {
  const { registry, paths, clock } = parts;

  function filesOf({ process, id, level }: LogQuery): LogFile[] {
    if (process !== undefined && id !== undefined) registry.get(process, id);
    const rows = registry.list(process).filter((row) => id === undefined || row.id === id);
    const streams = level === undefined ? STREAMS : [level];
    return rows.flatMap((row) =>
      streams.map((stream) => ({
        instance: instanceName(row.service, row.id),
        stream,
        path: paths.log(row.service, row.id, stream),
      })),
    );
  }

  async function tail(query: LogQuery): Promise<LogLine[]> {
    const found = await Promise.all(
      filesOf(query).map(async ({ path, instance, stream }) => {
        const lines = await lastLines(path, query.limit, query.search);
        return lines.map((text): LogLine => ({ instance, stream, text }));
      }),
    );
    return found.flat();
  }

  async function* follow(query: LogQuery, signal: AbortSignal): AsyncGenerator<LogLine> {
    const cursors = new Map<string, Cursor>();
    for (const file of filesOf(query)) cursors.set(file.path, await cursorAtEnd(file.path));
    yield* await tail(query);
    while (!signal.aborted) {
      // Files of instances that come meanwhile are read from their beginning.
      for (const { path, instance, stream } of filesOf({ ...query, id: undefined }).filter(
        (file) => query.id === undefined || file.instance.endsWith(`:${query.id}`),
      )) {
        const cursor = cursors.get(path) ?? { offset: 0, rest: "" };
        cursors.set(path, cursor);
        for (const text of await advance(path, cursor)) {
          if (query.search === undefined || text.includes(query.search)) yield { instance, stream, text };
        }
      }
      await sleep(clock, POLL_MS, signal).catch(() => {});
    }
  }

  return {
    tail,
    follow,
    async lastOutput({ service, id }, lines) {
      const texts = await Promise.all(
        STREAMS.map((stream) => lastLines(paths.log(service, id, stream), lines, undefined)),
      );
      return texts.flat().slice(-lines);
    },
  };
}

interface Cursor {
  offset: number;
  /** The beginning of a line whose end has not come yet. */
  rest: string;
}

async function cursorAtEnd(path: string): Promise<Cursor> {
  const found = await stat(path).catch(() => undefined);
  return { offset: found?.size ?? 0, rest: "" };
}

/** The complete lines that were appended since the last call; a file that shrank is read from its beginning. */
async function advance(path: string, cursor: Cursor): Promise<string[]> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return [];
  try {
    const { size } = await file.stat();
    if (size < cursor.offset) Object.assign(cursor, { offset: 0, rest: "" });
    const buffer = Buffer.alloc(Math.min(BLOCK_BYTES * 4, size - cursor.offset));
    if (buffer.length === 0) return [];
    const { bytesRead } = await file.read(buffer, 0, buffer.length, cursor.offset);
    cursor.offset += bytesRead;
    const lines = (cursor.rest + buffer.toString("utf8", 0, bytesRead)).split("\n");
    cursor.rest = lines.pop() ?? "";
    if (cursor.rest.length > LINE_BYTES) lines.push(cursor.rest.slice(0, LINE_BYTES));
    if (cursor.rest.length > LINE_BYTES) cursor.rest = "";
    return lines;
  } finally {
    await file.close();
  }
}

/** The last lines of a file that contain `search`, oldest first, read from the end in blocks. */
async function lastLines(path: string, limit: number, search: string | undefined): Promise<string[]> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return [];
  try {
    const { size } = await file.stat();
    const found: string[] = [];
    let head = Buffer.alloc(0);
    for (let end = size; end > 0 && found.length < limit && size - end < SEARCH_BYTES; ) {
      const start = Math.max(0, end - BLOCK_BYTES);
      const block = Buffer.alloc(end - start);
      await file.read(block, 0, block.length, start);
      const bytes = Buffer.concat([block, head]);
      const cut = start === 0 ? 0 : bytes.indexOf(0x0a) + 1;
      head = cut > 0 ? bytes.subarray(0, cut) : start === 0 ? Buffer.alloc(0) : bytes;
      const complete = start !== 0 && cut === 0 ? "" : bytes.subarray(cut).toString("utf8");
      const lines = complete.split("\n");
      if (lines.at(-1) === "") lines.pop();
      for (const line of lines.reverse()) {
        if (found.length < limit && (search === undefined || line.includes(search))) found.push(line);
      }
      end = start;
    }
    return found.reverse();
  } finally {
    await file.close();
  }
}
