// What instances wrote: the last lines of their files in time order, and what is appended from then on.
import { type InstanceName, instanceName } from "../../core/name.ts";
import { type Since, startOf } from "../../core/since.ts";
import {
  createLineFollower,
  type Line,
  type LineFollower,
  readTail,
  type Tail,
} from "../../platform/logs/log-file.ts";
import { createLogIndexer, type LogIndexer, readLogTimes } from "../../platform/logs/log-index.ts";
import { createLogSearch, type LogSearch, type SearchedFile } from "../../platform/logs/log-search.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import { type DataPaths, STREAMS, type Stream } from "../config/paths.ts";
import type { InstanceRow, Registry } from "../registry/registry.ts";
import { createLogKeeper, type LogKeeper } from "./log-keeper.ts";

/** A line of an instance's log. */
export interface LogLine {
  readonly instance: string;
  readonly stream: Stream;
  /** When it arrived, ISO 8601 in UTC; null when no server looked at that time. */
  readonly at: string | null;
  readonly text: string;
  /** The exact bytes, where they are no UTF-8. */
  readonly base64?: string | undefined;
}

/** Which lines are asked for. */
export interface LogQuery {
  readonly service?: string | undefined;
  /** The only services whose lines are meant; undefined: all. */
  readonly services?: readonly string[];
  /** An instance's id or a version. */
  readonly id?: string | undefined;
  readonly limit: number;
  readonly search?: string | undefined;
  readonly level?: Stream | undefined;
  readonly since?: Since | undefined;
  readonly until?: Since | undefined;
}

/** How much there was in each log, by its path. */
export type Written = ReadonlyMap<string, number>;

/**
 * `exact`: an id is that of an instance and never a version. `after`: only lines that came after so much. `principal`: who
 * asks, for whom one search is made at a time.
 */
type Query = LogQuery & {
  readonly exact?: true;
  readonly after?: Written | undefined;
  readonly principal?: string;
};

export interface Logs extends Disposable {
  /** The last lines that match, at most `limit`, in the order in which they arrived; those of one file in their order. */
  tail(query: Query, signal?: AbortSignal): Promise<LogLine[]>;
  /** The same, then every further line that matches, of new instances too, until the signal fires; with `until` none. */
  follow(query: Query, signal: AbortSignal): AsyncIterable<LogLine>;
  /** What an instance has written so far. */
  written(instance: InstanceName): Written;
  /** The last lines of an instance, both streams in time order; `after` leaves out what it had written before. */
  lastOutput(instance: InstanceName, lines: number, after?: Written): Promise<readonly string[]>;
}

interface LogFile {
  readonly instance: string;
  readonly stream: Stream;
  readonly path: string;
}

/** A line and the time it is sorted by. */
interface Dated {
  readonly timeMs: number;
  readonly line: LogLine;
}

/** The last lines of a file that were asked for, and where its first line without an end, `rest`, begins. */
interface LastOf {
  readonly file: LogFile;
  readonly lines: readonly Dated[];
  readonly end: number;
  readonly rest: readonly Dated[];
}

/** A file that is followed; `size` is what it had when everything in it had been read. */
interface Cursor {
  readonly follower: LineFollower;
  size: number;
}

const POLL_MS = 200;
/** Lines are sorted, and those too many let go, whenever so many have come together. */
const BATCH_LINES = 20_000;

export interface LogsParts {
  readonly registry: Registry;
  readonly paths: DataPaths;
  readonly clock: Clock;
  /** The words that start this program, for searches beside it. */
  readonly program: readonly string[];
}

export function createLogs(parts: LogsParts): Logs {
  return new InstanceLogs(parts);
}

class InstanceLogs implements Logs {
  readonly #parts: LogsParts;
  readonly #indexer: LogIndexer;
  readonly #keeper: LogKeeper;
  readonly #search: LogSearch;

  constructor(parts: LogsParts) {
    this.#parts = parts;
    this.#search = createLogSearch(parts);
    this.#indexer = createLogIndexer(parts.clock);
    this.#keeper = createLogKeeper({ ...parts, indexer: this.#indexer });
  }

  async tail(query: Query, signal?: AbortSignal): Promise<LogLine[]> {
    this.#requireSome(query);
    let found: Dated[] = [];
    for await (const { lines, rest } of this.#lastOf(this.#filesOf(query), query, signal)) {
      found.push(...lines, ...rest);
      if (found.length > BATCH_LINES) found = inOrder(found).slice(-query.limit);
    }
    return last(inOrder(found), query.limit);
  }

  async *follow(query: Query, signal: AbortSignal): AsyncGenerator<LogLine> {
    const { clock } = this.#parts;
    const startedAt = clock.now();
    this.#requireSome(query);
    const cursors = new Map<string, Cursor>();
    const begun: Dated[] = [];
    for await (const { file, lines, end } of this.#lastOf(this.#filesOf(query), query, signal)) {
      cursors.set(file.path, { follower: this.#followerOf(file.path, end), size: -1 });
      begun.push(...lines);
    }
    yield* last(inOrder(begun), query.limit);
    if (query.until) return;
    while (!signal.aborted) {
      const { grew, lines } = await this.#newsOf(query, cursors, startedAt);
      for (const { line } of inOrder(lines)) yield line;
      if (!grew) await sleep(clock, POLL_MS, signal).catch(() => {});
    }
  }

  written({ service, id }: InstanceName): Written {
    const files = this.#filesOf({ service, id, limit: 0 });
    return new Map(files.map(({ path }) => [path, this.#look(path)]));
  }

  async lastOutput(
    { service, id }: InstanceName,
    limit: number,
    after?: Written,
  ): Promise<readonly string[]> {
    const lines = await this.tail({ service, id, limit, after, exact: true });
    return lines.map(({ text }) => text);
  }

  [Symbol.dispose](): void {
    this.#keeper[Symbol.dispose]();
  }

  #filesOf(query: Query): LogFile[] {
    const { paths } = this.#parts;
    const { level } = query;
    const streams = level === undefined ? STREAMS : [level];
    return this.#rowsOf(query).flatMap(({ service, id }) =>
      streams.map((stream) => ({
        instance: instanceName(service, id),
        stream,
        path: paths.log(service, id, stream),
      })),
    );
  }

  /** The instance of that id, or else all that carry the version. */
  #rowsOf({ service, services, id, exact }: Query): readonly InstanceRow[] {
    const all = this.#parts.registry.list(service);
    const rows = services ? all.filter((row) => services.includes(row.service)) : all;
    if (id === undefined) return rows;
    const named = rows.filter((row) => row.id === id);
    return named.length > 0 || exact ? named : rows.filter((row) => row.version === id);
  }

  /** An instance, or version, that there is not is told, not waited for. */
  #requireSome(query: Query): void {
    const { service, id } = query;
    if (service === undefined || id === undefined) return;
    if (this.#rowsOf(query).length === 0) this.#parts.registry.get(service, id);
  }

  /** The last lines of each file that match. What searches for text is done beside this process, all files at once. */
  async *#lastOf(files: readonly LogFile[], query: Query, signal?: AbortSignal): AsyncGenerator<LastOf> {
    const { limit, search, principal = "ten" } = query;
    if (search === undefined || limit === 0) {
      for (const file of files) {
        const { path, from, to } = this.#rangeOf(file, query);
        yield this.#lastLines(file, await readTail(path, { limit, from, to }));
      }
      return;
    }
    const ranges = files.map((file) => this.#rangeOf(file, query));
    const tails = await this.#search.find(principal, { files: ranges, text: search, limit }, signal);
    for (const [place, file] of files.entries()) {
      const tail = tails[place];
      if (tail) yield this.#lastLines(file, tail);
    }
  }

  #look(path: string): number {
    return this.#indexer.look(path, this.#keeper.sourceOf(path));
  }

  #followerOf(path: string, from: number): LineFollower {
    return createLineFollower(() => this.#keeper.sourceOf(path), from);
  }

  #rangeOf({ path }: LogFile, { since, until, after }: Query): SearchedFile {
    this.#look(path);
    const times = since || until ? readLogTimes(path) : undefined;
    const from = since && times ? times.since(this.#momentOf(since)) : (after?.get(path) ?? 0);
    return {
      path: this.#keeper.sourceOf(path),
      from,
      ...(until && times && { to: times.until(this.#momentOf(until)) }),
    };
  }

  #lastLines(file: LogFile, tail: Tail): LastOf {
    const whole = tail.lines.filter((line) => line.end <= tail.end);
    const dated = this.#date(file, tail.lines);
    return { file, lines: dated.slice(0, whole.length), end: tail.end, rest: dated.slice(whole.length) };
  }

  #momentOf(since: Since): number {
    return startOf(since, this.#parts.clock.now());
  }

  /** What has been appended since the last look, and whether anything was, matching or not. */
  async #newsOf(
    query: Query,
    cursors: Map<string, Cursor>,
    startedAt: number,
  ): Promise<{ grew: boolean; lines: Dated[] }> {
    const isWanted = matching(query);
    const news: Dated[] = [];
    let grew = false;
    for (const file of this.#filesOf(query)) {
      // What instances that come meanwhile have written since we began; their file may be of an earlier life.
      const cursor = cursors.get(file.path) ?? {
        follower: this.#followerOf(file.path, readLogTimes(file.path).since(startedAt)),
        size: -1,
      };
      cursors.set(file.path, cursor);
      const lines = await this.#advance(file, cursor);
      grew ||= lines.length > 0;
      news.push(...lines.filter(({ line }) => isWanted(line.text)));
    }
    return { grew, lines: news };
  }

  async #advance(file: LogFile, cursor: Cursor): Promise<Dated[]> {
    const size = this.#look(file.path);
    if (size === cursor.size) return [];
    const lines = await cursor.follower.next();
    if (lines.length === 0) cursor.size = size;
    return this.#date(file, lines);
  }

  /** Lines of one file with their times, which never go back within it, whatever the wall clock did. */
  #date({ path, instance, stream }: LogFile, lines: readonly Line[]): Dated[] {
    if (lines.length === 0) return [];
    // What came since the last look was read too.
    this.#look(path);
    const times = readLogTimes(path);
    let latest = Number.NEGATIVE_INFINITY;
    return lines.map(({ text, bytes, end }) => {
      const timeMs = times.at(end);
      latest = Math.max(latest, timeMs ?? latest);
      const at = timeMs === undefined ? null : new Date(timeMs).toISOString();
      const base64 = bytes && { base64: Buffer.from(bytes).toString("base64") };
      return { timeMs: latest, line: { instance, stream, at, text, ...base64 } };
    });
  }
}

/** Sorting is stable, so lines of one file and one time keep their order. */
function inOrder(lines: Dated[]): Dated[] {
  return lines.sort((a, b) => (a.timeMs === b.timeMs ? 0 : a.timeMs - b.timeMs));
}

function last(lines: readonly Dated[], limit: number): LogLine[] {
  return limit === 0 ? [] : lines.slice(-limit).map(({ line }) => line);
}

function matching({ search }: Query): (text: string) => boolean {
  return (text) => search === undefined || text.includes(search);
}
