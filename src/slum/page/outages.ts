// When servers were offline or drained in the last day, from what was noted of them: pure.
import type { HistoryView, ServerView } from "../api/shapes.ts";

export interface Period {
  readonly server: string;
  readonly kind: "offline" | "drained";
  readonly fromMs: number;
  /** Undefined: it still is. */
  readonly toMs: number | undefined;
  /** What was said when it began. */
  readonly text: string;
}

type Known = Pick<ServerView, "id" | "status" | "drained" | "since" | "last_error">;

const BEGINS: Readonly<Record<string, Period["kind"]>> = {
  "server.offline": "offline",
  "server.drained": "drained",
};
const ENDS: Readonly<Record<string, Period["kind"]>> = {
  "server.online": "offline",
  "server.undrained": "drained",
};

/** The newest first. What several slums saw of one server counts once. */
export function periodsOf(
  { changes, start }: Pick<HistoryView, "changes" | "start">,
  servers: readonly Known[],
): Period[] {
  const startMs = Date.parse(start);
  const { ended, open } = pairsOf(changes);
  const inDay = ended.filter(({ toMs = startMs }) => toMs > startMs);
  // What is no server any more has ended, and what has ended unseen is over.
  const still = [...open.values()].filter((period) => isStill(period, servers));
  const unseen = servers.flatMap((one) => unseenOf(one, still, startMs));
  return [...inDay, ...still, ...unseen].toSorted((a, b) => b.fromMs - a.fromMs);
}

function pairsOf(changes: HistoryView["changes"]) {
  const ended: Period[] = [];
  const open = new Map<string, Period>();
  for (const { kind, server, at, detail } of changes) {
    const begins = BEGINS[kind];
    const atMs = Date.parse(at);
    const key = `${begins ?? ENDS[kind]} ${server}`;
    const known = open.get(key);
    if (begins && server !== null && !known)
      open.set(key, { server, kind: begins, fromMs: atMs, toMs: undefined, text: detail });
    if (begins || !known) continue;
    ended.push({ ...known, toMs: atMs });
    open.delete(key);
  }
  return { ended, open };
}

/** What began before the day is known from the server itself. */
function unseenOf(
  { id, status, drained, since, last_error: error }: Known,
  still: readonly Period[],
  startMs: number,
): Period[] {
  const isSeen = (kind: Period["kind"]) => still.some((one) => one.server === id && one.kind === kind);
  const found: Period[] = [];
  if (status === "offline" && !isSeen("offline"))
    found.push({
      server: id,
      kind: "offline",
      fromMs: Date.parse(since),
      toMs: undefined,
      text: error ?? "",
    });
  if (drained && !isSeen("drained"))
    found.push({ server: id, kind: "drained", fromMs: startMs, toMs: undefined, text: "" });
  return found;
}

function isStill({ server, kind }: Period, servers: readonly Known[]): boolean {
  const now = servers.find(({ id }) => id === server);
  return kind === "offline" ? now?.status === "offline" : now?.drained === true;
}

export type StepState = "up" | "shaky" | "down" | "drained" | "unknown";

/** What a server was in each step of the day, by its own checks that failed and its own periods. */
export function stepStates(
  { start, step_secs: stepSecs }: Pick<HistoryView, "start" | "step_secs">,
  failed: readonly (number | null)[],
  own: readonly Period[],
): StepState[] {
  const startMs = Date.parse(start);
  const overlaps = (kind: Period["kind"], fromMs: number, toMs: number) =>
    own.some((one) => one.kind === kind && one.fromMs < toMs && (one.toMs ?? toMs) > fromMs);
  return failed.map((count, place) => {
    const fromMs = startMs + place * stepSecs * 1000;
    const toMs = fromMs + stepSecs * 1000;
    if (overlaps("offline", fromMs, toMs)) return "down";
    if (overlaps("drained", fromMs, toMs)) return "drained";
    if (count === null) return "unknown";
    return count > 0 ? "shaky" : "up";
  });
}

/** The part of the time since `startMs` in which a server was not offline, and how often it went, by its own periods. */
export function upShare(
  own: readonly Period[],
  startMs: number,
  nowMs: number,
): { readonly percent: number; readonly falls: number } {
  const offline = own.filter(({ kind }) => kind === "offline");
  const downMs = offline.reduce(
    (sum, { fromMs, toMs = nowMs }) => sum + Math.max(0, toMs - Math.max(startMs, fromMs)),
    0,
  );
  const percent = 100 * (1 - Math.min(1, downMs / Math.max(1, nowMs - startMs)));
  return { percent: Math.floor(percent * 100) / 100, falls: offline.length };
}
