// An instance's log: its last lines, every further one as it comes, and a search. All of it is text, whatever an app wrote.
import { useEffect, useRef, useState } from "preact/hooks";
import { piecesOf } from "../../api/page/ansi.ts";
import { Failure } from "../../api/page/failure.tsx";
import { useWhileVisible } from "../../api/page/visible.ts";
import { Fault } from "../../core/fault.ts";
import type { TenClient } from "../api/contract.ts";
import type { LogLine } from "../logs/logs.ts";

interface LogViewProps {
  readonly client: TenClient;
  readonly service: string;
  readonly id: string;
}

type Level = "" | "stdout" | "stderr";
interface Numbered extends LogLine {
  readonly number: number;
}

const LINES = 500;
const LINES_MAX = 2_000;
/** Lines that come together are drawn together. */
const DRAW_MS = 100;
const AGAIN_MS = 2_000;

export function LogView({ client, service, id }: LogViewProps) {
  const [search, setSearch] = useState("");
  const [level, setLevel] = useState<Level>("");
  const [isFollowing, setFollowing] = useState(true);
  const wanted = useLater(search, 300);
  const { lines, fault } = useLog(client, { service, id, search: wanted, level });
  const box = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (isFollowing) box.current?.scrollTo({ top: box.current.scrollHeight });
  }, [lines, isFollowing]);
  const onScroll = ({ currentTarget: at }: { currentTarget: HTMLElement }) =>
    setFollowing(at.scrollHeight - at.scrollTop - at.clientHeight < 30);

  return (
    <section class="log" aria-label={`Log of ${service}:${id}`}>
      <div class="tools">
        <input
          type="search"
          placeholder="Search the log"
          aria-label="Search the log"
          maxLength={1000}
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
        />
        <select
          aria-label="Stream"
          value={level}
          onChange={(event) => setLevel(event.currentTarget.value as Level)}
        >
          <option value="">both</option>
          <option value="stdout">stdout</option>
          <option value="stderr">stderr</option>
        </select>
        <button type="button" aria-pressed={isFollowing} onClick={() => setFollowing(!isFollowing)}>
          Follow
        </button>
      </div>
      <Failure fault={fault} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: keys scroll it */}
      <div class="lines" ref={box} onScroll={onScroll} role="log" aria-live="off" tabIndex={0}>
        {lines.length === 0 && (
          <p class="wait">{wanted === "" ? "nothing written yet" : "no line has that"}</p>
        )}
        {lines.map((line) => (
          <LineView key={line.number} line={line} />
        ))}
      </div>
    </section>
  );
}

function LineView({ line }: { readonly line: Numbered }) {
  return (
    <div class={line.stream}>
      {line.at !== null && <time dateTime={line.at}>{new Date(line.at).toLocaleTimeString()}</time>}
      <bdi>
        {piecesOf(line.text).map(({ text, classes }, place) =>
          classes === "" ? (
            text
          ) : (
            <span key={place} class={classes}>
              {text}
            </span>
          ),
        )}
      </bdi>
    </div>
  );
}

interface Wanted extends Pick<LogViewProps, "service" | "id"> {
  readonly search: string;
  readonly level: Level;
}

/** The last lines and those that come, while the page is visible; begun anew when something else is wanted. */
function useLog(client: TenClient, { service, id, search, level }: Wanted) {
  const [lines, setLines] = useState<readonly Numbered[]>([]);
  const [fault, setFault] = useState<Fault>();

  async function read(signal: AbortSignal): Promise<void> {
    const query = { service, id, limit: LINES, ...(search && { search }), ...(level && { level }) };
    let number = 0;
    let held: Numbered[] = [];
    const draw = () => {
      const some = held;
      held = [];
      if (!signal.aborted) setLines((before) => [...before, ...some].slice(-LINES_MAX));
    };
    setLines([]);
    for await (const line of client.followLogs({ query }, { signal })) {
      if (held.length === 0) setTimeout(draw, DRAW_MS);
      held.push({ ...line, number: number++ });
      if (held.length > LINES_MAX) held = held.slice(-LINES_MAX);
      setFault(undefined);
    }
  }

  useWhileVisible(
    (signal) => {
      const turn = () =>
        read(signal).catch((thrown) => {
          if (signal.aborted) return;
          setFault(thrown instanceof Fault ? thrown : new Fault("internal", String(thrown)));
          if (!(thrown instanceof Fault) || thrown.code === "unreachable")
            setTimeout(() => signal.aborted || turn(), AGAIN_MS);
        });
      void turn();
    },
    [service, id, search, level],
  );
  return { lines, fault };
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
