// `bun test/bench/scale.ts`: how far one slum and a registry reach, by simulation: polling of thousands of servers in virtual time, and what
// many slums cost each other. The inputs of docs/scale.md.
import { createProber } from "../../src/platform/net/prober.ts";
import { systemClock } from "../../src/platform/time/clock.ts";
import { FAILURES_TO_OFFLINE } from "../../src/slum/fleet/server-health.ts";
import {
  formatObservations,
  type Observations,
  parseObservations,
} from "../../src/slum/registry/observations.ts";
import { openRegistryAt } from "../../src/slum/registry/open-registry.ts";
import type { Registry } from "../../src/slum/registry/registry.ts";
import { agreedOn } from "../../src/slum/webhooks/agreement.ts";
import { Alerts } from "../../src/slum/webhooks/alerts.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { hasPostgres, startPostgres } from "../support/postgres.ts";

const INTERVAL_MS = 30_000;
const CONCURRENCY = 64;
const CHECK_MS = 50;
const HANG_MS = 5_000;
const QUICK_HANG_MS = 2_000;
const MINUTES = 4;

interface Polling {
  readonly checksASecond: number;
  /** From the end of one check of a server to the start of its next, at worst. */
  readonly longestPauseMs: number;
  /** From the moment a server began to refuse to its third failed check: median and worst. */
  readonly foundMs: readonly number[];
}

/** The real prober over servers of which a part hangs all the time, and one in a hundred begins to refuse after a minute. */
async function poll(servers: number, hangingPart: number): Promise<Polling> {
  const clock = createManualClock();
  const state = { checks: 0, longestPauseMs: 0 };
  const endedMs = new Map<string, number>();
  const failures = new Map<string, number>();
  const foundMs: number[] = [];
  const refusesFromMs = 60_000;
  const refuses = (index: number) => index % 100 === 7;
  const hangs = (index: number) => index % 100 < hangingPart * 100 && !refuses(index);
  let random = 1;
  const next = () => {
    random = (random * 48_271) % 2_147_483_647;
    return random / 2_147_483_647;
  };
  using prober = createProber({
    clock,
    concurrency: CONCURRENCY,
    jitter: 0.2,
    random: next,
    onResult(id, { ok }) {
      endedMs.set(id, clock.monotonic());
      const count = ok ? 0 : (failures.get(id) ?? 0) + 1;
      failures.set(id, count);
      if (count === FAILURES_TO_OFFLINE && refuses(Number(id)))
        foundMs.push(clock.monotonic() - refusesFromMs);
    },
  });
  for (let index = 0; index < servers; index += 1)
    prober.watch(String(index), {
      intervalMs: INTERVAL_MS,
      retryMs: [500, 1_000, INTERVAL_MS],
      starting: false,
      check: (_, failed) =>
        new Promise((resolve) => {
          state.checks += 1;
          const before = endedMs.get(String(index));
          if (before !== undefined)
            state.longestPauseMs = Math.max(state.longestPauseMs, clock.monotonic() - before);
          const isQuick = failed > 0 && failed < FAILURES_TO_OFFLINE;
          const isDown = refuses(index) && clock.monotonic() >= refusesFromMs;
          const tookMs = hangs(index) ? (isQuick ? QUICK_HANG_MS : HANG_MS) : isDown ? 1 : CHECK_MS;
          clock.after(tookMs, () => resolve({ ok: !isDown && !hangs(index), latencyMs: tookMs, detail: "" }));
        }),
    });
  const steps = (MINUTES * 60_000) / 100;
  for (let step = 0; step < steps; step += 1) await clock.advance(100);
  return {
    checksASecond: state.checks / (MINUTES * 60),
    longestPauseMs: state.longestPauseMs,
    foundMs: foundMs.sort((a, b) => a - b),
  };
}

/** What each look of every second costs a slum, and what it reads and writes. */
function agree(servers: number, slums: number) {
  const ids = Array.from({ length: servers }, (_, index) => `server-${index}`);
  const view: Observations = new Map(ids.map((id) => [id, { status: "online", failures: 0 }]));
  const text = formatObservations(view);
  const views = Array.from({ length: slums }, () => parseObservations(text));
  const alerts = new Alerts({ offlineAfterMs: 300_000 });
  const looks = Array.from({ length: 9 }, () => {
    const began = performance.now();
    const seen = ids.map((id) => agreedOn({ id, url: "", region: undefined, drained: false }, views));
    alerts.step({ nowMs: 1, servers: seen, unroutable: [], unsure: [], hasTenant: () => true }, new Map());
    return performance.now() - began;
  });
  return {
    lookMs: looks.sort((a, b) => a - b)[4] ?? 0,
    writtenBytes: text.length / 5,
    readBytes: ((slums - 1) * text.length) / 5,
  };
}

/** So many slums on one real database that all see the same server fall: messages in the outbox, and when a change is everywhere. */
async function share(slums: number) {
  await using postgres = await startPostgres();
  const database = await postgres.createDatabase();
  await using stack = new AsyncDisposableStack();
  const all: Registry[] = [];
  for (let index = 0; index < slums; index += 1)
    all.push(
      stack.use(
        await openRegistryAt({ database, slumId: `slum-${index}`, clock: systemClock, fallback: undefined }),
      ),
    );
  const [first] = all;
  if (first === undefined) throw new Error("no slum");
  const observed: Observations = new Map([["iad", { status: "offline", failures: 3, failingSinceMs: 0 }]]);
  const polls = setInterval(() => {
    for (const registry of all) void registry.poll(observed);
  }, 1_000);
  const spreadMs: number[] = [];
  for (let turn = 0; turn < 20; turn += 1) {
    const began = performance.now();
    await first.write((writer) => writer.alerts.add({ thing: `turn ${turn}`, begunAt: 1, open: true }));
    while (all.some((registry) => !registry.alerts.has(`turn ${turn}`))) await Bun.sleep(5);
    spreadMs.push(performance.now() - began);
  }
  const began = performance.now();
  const begin = (registry: Registry) =>
    registry.write((writer): number => {
      if (registry.alerts.get("server iad")?.open) return 0;
      writer.alerts.add({ thing: "server iad", begunAt: 1, open: true });
      return 1;
    });
  const announced = await Promise.all(all.map(begin));
  const allMs = performance.now() - began;
  clearInterval(polls);
  spreadMs.sort((a, b) => a - b);
  return { announced: announced.reduce<number>((sum, one) => sum + one, 0), allMs, spreadMs };
}

const out = (line: string) => process.stdout.write(`${line}\n`);
const secs = (value: number | undefined) => (value === undefined ? "-" : `${(value / 1000).toFixed(1)} s`);
out(
  "| servers | of them hang | checks a second | longest pause of one | a refusing server is found, median and worst |",
);
out("|---|---|---|---|---|");
for (const [servers, hanging] of [
  [1_000, 0],
  [1_000, 0.1],
  [10_000, 0],
  [10_000, 0.01],
  [10_000, 0.05],
  [10_000, 0.1],
  [30_000, 0],
] as const) {
  const { checksASecond, longestPauseMs, foundMs } = await poll(servers, hanging);
  const found = `${secs(foundMs[Math.floor(foundMs.length / 2)])}, ${secs(foundMs.at(-1))}`;
  out(
    `| ${servers} | ${hanging * 100} % | ${checksASecond.toFixed(0)} | ${secs(longestPauseMs)} | ${found} |`,
  );
}
out("\n| servers | slums | a look of every second | a slum writes | a slum reads |");
out("|---|---|---|---|---|");
for (const [servers, slums] of [
  [100, 3],
  [1_000, 3],
  [1_000, 20],
  [10_000, 3],
  [10_000, 20],
] as const) {
  const { lookMs, writtenBytes, readBytes } = agree(servers, slums);
  const kb = (bytes: number) => `${(bytes / 1000).toFixed(1)} KB/s`;
  out(`| ${servers} | ${slums} | ${lookMs.toFixed(1)} ms | ${kb(writtenBytes)} | ${kb(readBytes)} |`);
}
if (hasPostgres) {
  const { announced, allMs, spreadMs } = await share(20);
  const median = spreadMs[Math.floor(spreadMs.length / 2)];
  out(
    `\n20 slums on one PostgreSQL: a change is known to all after ${secs(median)} (median), ${secs(spreadMs.at(-1))} (worst of 20);`,
  );
  out(`when all 20 would announce the same trouble at once, ${announced} does, within ${secs(allMs)}`);
}
