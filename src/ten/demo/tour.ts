// The tour: a release from the first version to the last, step by step, under the eyes of visitors who never stop coming.
import { formatMillis } from "../../cli/format.ts";
import { Fault } from "../../core/fault.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import { barLines } from "./bars.ts";
import { type Sandbox, SERVICE } from "./sandbox.ts";
import type { Stage } from "./stage.ts";
import { createTally, type Split, type Tally, type Visit } from "./tally.ts";
import { createVisitors } from "./visitors.ts";

export interface Step {
  readonly title: string;
  /** As a user types it. */
  readonly command: string;
  readonly message: string;
  readonly expected: Split;
  readonly served: Readonly<Record<string, number>>;
  readonly requests: number;
  readonly failed: number;
  /** Answered by the second or third instance that was tried; they are not counted in the split again. */
  readonly retried: number;
  readonly exact: boolean;
  readonly p50_ms: number;
  readonly p95_ms: number;
  readonly longest_ms: number;
}

export interface Tour {
  readonly steps: readonly Step[];
  /** All requests, those between the steps too. */
  readonly requests: number;
  readonly failed: number;
  readonly failures: Readonly<Record<string, number>>;
}

interface TourOptions {
  readonly sandbox: Sandbox;
  readonly stage: Stage;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

type Release = readonly [title: string, words: string, expected: Split];

const RELEASES: readonly Release[] = [
  ["The first version takes all the traffic", `deploy ${SERVICE} --version v1`, { v1: 100 }],
  [
    "A canary: one request in ten goes to v2",
    `deploy ${SERVICE} --version v2 --weight 10`,
    { v1: 90, v2: 10 },
  ],
  ["It looks good: half and half", `weight ${SERVICE}:v2 50`, { v1: 50, v2: 50 }],
  ["The full rollout", `weight ${SERVICE}:v2 100`, { v1: 0, v2: 100 }],
  ["Second thoughts: back to v1, in one step", `rollback ${SERVICE}`, { v1: 100, v2: 0 }],
  ["Blue/green: an atomic swap", `route ${SERVICE} --from v1 --to v2`, { v1: 0, v2: 100 }],
];

/** A window is so many requests, or whole hundreds of them when the machine is slow: a split in percent comes out even. */
const WINDOW_REQUESTS = 1_000;
const WHOLE = 100;
const EVERY_MS = 1.4;
const WINDOW_MAX_MS = 2_500;
const FRAME_MS = 60;
const KILL_AFTER_MS = 400;
const RESTART_TIMEOUT_MS = 5_000;

const INDENT = "     ";

/** Rejects with a Fault when a command fails, and with the signal's reason when it fires. */
export async function runTour({ sandbox, stage, clock, signal }: TourOptions): Promise<Tour> {
  const { paint } = stage;
  const total = createTally();
  const visitors = createVisitors({ url: sandbox.url, host: `${SERVICE}.localhost`, clock, signal });
  const steps: Step[] = [];

  function announce(title: string, command: string): void {
    const number = paint("cyan", String(steps.length + 1).padStart(3));
    stage.print("", `${number}  ${paint("bold", title)}`, `${INDENT}${paint("dim", "$")} ${command}`);
  }

  const done = (message: string) => stage.print(`${INDENT}${paint("green", "✔")} ${message}`);

  /** Visitors come while the work is done, and none is under way when it is over. */
  async function amidVisitors<T>(work: Promise<T>): Promise<T> {
    let working = true;
    const visiting = visitors.send(EVERY_MS, () => working, total.add);
    try {
      return await work;
    } finally {
      working = false;
      await visiting;
    }
  }

  /** Starts when nothing is under way, so that it sees whole rounds of the split that is in force. */
  async function watchWindow(expected: Split): Promise<Tally> {
    const tally = createTally();
    const onVisit = (visit: Visit) => {
      tally.add(visit);
      total.add(visit);
    };
    const endMs = clock.monotonic() + WINDOW_MAX_MS;
    const more = (sent: number) =>
      sent < WINDOW_REQUESTS && (sent === 0 || sent % WHOLE > 0 || clock.monotonic() < endMs);
    const lines = (verdict: string) =>
      barLines(tally, expected, verdict, { paint, columns: stage.columns(), indent: INDENT });
    const stopDrawing = clock.every(FRAME_MS, () => stage.draw(lines("")));
    try {
      await visitors.send(EVERY_MS, more, onVisit);
    } finally {
      stopDrawing();
    }
    signal.throwIfAborted();
    stage.settle(lines(tally.isExactly(expected) ? paint("green", "exact") : paint("red", "not exact")));
    return tally;
  }

  async function release([title, words, expected]: Release): Promise<void> {
    const command = `ten ${words}`;
    announce(title, command);
    const running = sandbox.run(words.split(" "));
    // Before the first deploy there is no shop to visit.
    const answer = await (steps.length === 0 ? running : amidVisitors(running));
    done(String(answer.message));
    steps.push(stepOf(title, command, String(answer.message), expected, await watchWindow(expected)));
  }

  /** The only instance with traffic dies in the middle of a window: visitors wait for the new process. */
  async function crash(id: string, expected: Split): Promise<void> {
    const { pid } = await amidVisitors(lookUp(sandbox, id));
    const title = "A crash: requests wait for the restart";
    const command = `kill -9 ${pid}`;
    announce(title, command);
    const killing = sleep(clock, KILL_AFTER_MS, signal).then(() => process.kill(pid, "SIGKILL"));
    const [tally] = await Promise.all([watchWindow(expected), killing]);
    const restarted = await amidVisitors(untilRestarted(sandbox, id, pid, clock));
    const longest = formatMillis(tally.latency(1));
    const message = `${id} is back as process ${restarted.pid}; the longest request took ${longest}`;
    done(message);
    steps.push(stepOf(title, command, message, expected, tally));
  }

  for (const one of RELEASES) await release(one);
  await crash(`${SERVICE}:v2`, { v1: 0, v2: 100 });
  signal.throwIfAborted();
  const { requests, failed, failures } = total;
  return { steps, requests, failed, failures: Object.fromEntries(failures) };
}

function stepOf(title: string, command: string, message: string, expected: Split, tally: Tally): Step {
  const round = (ms: number) => Math.round(ms * 100) / 100;
  return {
    title,
    command,
    message,
    expected,
    served: Object.fromEntries(Object.keys(expected).map((version) => [version, tally.served(version)])),
    requests: tally.requests,
    failed: tally.failed,
    retried: tally.retried,
    exact: tally.isExactly(expected),
    p50_ms: round(tally.latency(0.5)),
    p95_ms: round(tally.latency(0.95)),
    longest_ms: round(tally.latency(1)),
  };
}

interface Running {
  readonly id: string;
  readonly pid: number;
  readonly state: string;
}

async function lookUp(sandbox: Sandbox, id: string): Promise<Running> {
  const { instances } = (await sandbox.run(["ps"])) as { instances: readonly Running[] };
  const found = instances.find((one) => one.id === id);
  if (found && found.pid > 1) return found;
  throw new Fault("internal", `${id} does not run`, "ten ps --all tells why");
}

/** Looks until another process is healthy. */
async function untilRestarted(sandbox: Sandbox, id: string, pid: number, clock: Clock): Promise<Running> {
  const endMs = clock.monotonic() + RESTART_TIMEOUT_MS;
  for (;;) {
    const now = await lookUp(sandbox, id).catch((thrown) => {
      if (clock.monotonic() > endMs) throw thrown;
    });
    if (now && now.pid !== pid && now.state === "healthy") return now;
    if (clock.monotonic() > endMs) throw new Fault("internal", `${id} was not restarted in time`);
    await sleep(clock, FRAME_MS);
  }
}
