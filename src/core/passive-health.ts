// Passive health: which target of a service passes its checks and answers no request, judged from counters alone.

/** What is counted of one target; cumulative but for `clients` and `overdue`. */
export interface Reading {
  readonly id: string;
  /** Answers, whatever they said. */
  readonly answered: number;
  /** Requests that ended without any answer: reset, refused, timed out. */
  readonly unanswered: number;
  /** Different clients, up to three, of requests without an answer since the last answer. */
  readonly clients: readonly number[];
  /** Requests that wait for longer than `OVERDUE_MS[i]`. */
  readonly overdue: readonly number[];
  /** The time below which 99 of 100 answers came lately. */
  readonly p99Ms: number | undefined;
}

/** The ages from which requests that wait are counted. */
export const OVERDUE_MS = [5_000, 10_000, 20_000, 40_000, 80_000] as const;

const IN_A_ROW = 10;
const CLIENTS = 3;
const ALL_OF = 20;
const WINDOW_MS = 5_000;
/** A request that waits counts when it is older than this many times what its siblings take. */
const SLOWER = 4;

const FIRST_PROBE_MS = 10_000;
const LAST_PROBE_MS = 300_000;

/** The pause before probe number `probes` (from 0): 10 s, 20 s, ... up to 5 min. */
export function probePauseMs(probes: number): number {
  return Math.min(LAST_PROBE_MS, FIRST_PROBE_MS * 2 ** Math.min(probes, 10));
}

/** How many of a service's targets may be marked at once: at most half, and never the last one. */
export function mostMarked(serving: number): number {
  return Math.floor(serving / 2);
}

interface Moment {
  readonly atMs: number;
  readonly answered: number;
  readonly unanswered: number;
}

interface Past {
  /** Newest last; those of the last window, and one from before it. */
  moments: readonly Moment[];
  /** As of the last answer. */
  sinceAnswer: Moment;
}

/**
 * Looks at the targets of one service again and again. A target is silent when it left ten requests in a row, of at least
 * three clients, without an answer, or all of at least 20 within five seconds, while a sibling answered at the same time.
 */
export class SilenceWatch {
  #past = new Map<string, Past>();

  /** Answers which are silent, at `nowMs` of the monotonic clock. Those that are not named are forgotten. */
  look(nowMs: number, readings: readonly Reading[]): string[] {
    const past = new Map(
      readings.map((reading) => [reading.id, pastOf(nowMs, reading, this.#past.get(reading.id))]),
    );
    this.#past = past;
    return readings.flatMap((reading) => {
      const own = past.get(reading.id);
      const others = readings.filter(({ id }) => id !== reading.id);
      if (own === undefined || others.length === 0) return [];
      const limit = overduePlace(others);
      const answeredSince = (atMs: number) =>
        others.some(({ id, answered }) => answered > answeredAt(past.get(id), atMs));
      return isSilent(nowMs, reading, own, limit, answeredSince) ? [reading.id] : [];
    });
  }
}

function isSilent(
  nowMs: number,
  { answered, unanswered, clients, overdue }: Reading,
  { moments, sinceAnswer }: Past,
  limit: number,
  siblingsAnsweredSince: (atMs: number) => boolean,
): boolean {
  const waiting = overdue[limit] ?? 0;
  const inARow = unanswered - sinceAnswer.unanswered + waiting;
  if (inARow >= IN_A_ROW && clients.length >= CLIENTS && siblingsAnsweredSince(sinceAnswer.atMs)) return true;
  const window = moments.findLast(({ atMs }) => atMs <= nowMs - WINDOW_MS);
  if (window === undefined || window.answered !== answered) return false;
  // Those that wait for between five and ten seconds were sent within five.
  const sent = limit === 0 ? waiting - (overdue[1] ?? 0) : waiting;
  return unanswered - window.unanswered + sent >= ALL_OF && siblingsAnsweredSince(window.atMs);
}

function pastOf(nowMs: number, { answered, unanswered }: Reading, before: Past | undefined): Past {
  const now = { atMs: nowMs, answered, unanswered };
  const last = before?.moments.at(-1);
  // Counters that went back have begun anew.
  if (before === undefined || last === undefined || answered < last.answered || unanswered < last.unanswered)
    return { moments: [now], sinceAnswer: now };
  const sinceAnswer = answered > last.answered ? now : before.sinceAnswer;
  const firstKept = before.moments.findLastIndex(({ atMs }) => atMs <= nowMs - WINDOW_MS);
  return { moments: [...before.moments.slice(Math.max(0, firstKept)), now], sinceAnswer };
}

/** What had been answered at a time, or at the first time that is known. */
function answeredAt(past: Past | undefined, atMs: number): number {
  const moments = past?.moments ?? [];
  return (
    (moments.findLast((moment) => moment.atMs <= atMs) ?? moments[0])?.answered ?? Number.POSITIVE_INFINITY
  );
}

/** From which age on a request that waits counts, as a place in `overdue`: five seconds, or more where siblings are slow. */
function overduePlace(siblings: readonly Reading[]): number {
  const slowestMs = Math.max(0, ...siblings.map(({ p99Ms = 0 }) => p99Ms * SLOWER));
  const place = OVERDUE_MS.findIndex((limitMs) => limitMs >= slowestMs);
  return place < 0 ? OVERDUE_MS.length : place;
}
