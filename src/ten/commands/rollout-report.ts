// How a rollout is told: what it says, its steps, and the odds on a scale from 1 to 1,000.
import type { Output } from "../../cli/output.ts";
import { Fault } from "../../core/fault.ts";
import { SUSPECT } from "../../core/judge/bet.ts";
import { spanText } from "../../core/judge/words.ts";
import { type Clock, sleep } from "../../platform/time/clock.ts";
import type { TenClient } from "../api/contract.ts";
import type { RolloutView } from "../api/shapes.ts";

const BAR_WIDTH = 30;

export function rolloutText(out: Output, view: RolloutView, now: number): string {
  const { service, canary, stable, outcome, text } = view;
  const lasted = (view.ended_at === null ? now : Date.parse(view.ended_at)) - Date.parse(view.started_at);
  const head = `${service}: ${canary} beside ${stable}, ${outcome === null ? "for" : "took"} ${spanText(lasted)}`;
  const lines = [out.paint("bold", head), out.paint(COLOURS[moodOf(view)], text)];
  if (outcome === null) lines.push("", stepsLine(out, view), ...oddsLines(out, view));
  if (view.shadow !== null) lines.push(`copies   ${view.shadow}`);
  return lines.map((line) => `${line}\n`).join("");
}

type Mood = "good" | "bad" | "open";
const COLOURS = { good: "green", bad: "red", open: "reset" } as const;

function moodOf({ outcome, held }: RolloutView): Mood {
  if (outcome === "promoted") return "good";
  return outcome !== null || held !== null ? "bad" : "open";
}

/** `5 %   [25 %]   50 %   100 %`. */
function stepsLine(out: Output, { plan, step, phase }: RolloutView): string {
  const copies = `${plan.shadow_first} copies`;
  const first = step === 0 ? out.paint("bold", `[${copies}]   `) : out.paint("green", `${copies}   `);
  const shares = [...plan.steps, 100];
  const shown = shares.map((share, i) => {
    if (i + 1 === step && phase !== "look") return out.paint("bold", `[${share} %]`);
    return out.paint(i + 1 < step ? "green" : "gray", `${share} %`);
  });
  return `steps    ${plan.shadow_first > 0 ? first : ""}${shown.join("   ")}${phase === "look" ? out.paint("bold", "   [both 50 %]") : ""}`;
}

function oddsLines(out: Output, { odds, phase }: RolloutView): string[] {
  if (phase === "bake") return [];
  return (["errors", "slow", "stalls"] as const).map((charge) => {
    const value = odds[charge];
    const part = Math.min(1, Math.max(0, Math.log(Math.max(1, value)) / Math.log(odds.bar)));
    const full = Math.round(part * BAR_WIDTH);
    const colour = value >= SUSPECT ? "red" : "green";
    const bar = out.paint(colour, "█".repeat(full)) + out.paint("gray", "·".repeat(BAR_WIDTH - full));
    const text = value < 1 ? "nothing" : `${Math.round(value).toLocaleString("en-US")} to 1`;
    return `${charge.padEnd(8)} ${bar} ${text}`;
  });
}

/** How long a server may be away, for a restart, before nobody waits any more. */
const AWAY_MS = 60_000;
const POLL_MS = 1_000;
const LINE_EVERY_MS = 30_000;

/**
 * Tells what happens until it is over or held. Asks again and again instead of holding one connection, so that it outlives
 * a restart of the server. Throws a fault for every end but a promotion: their codes are the exit codes.
 */
export async function followRollout(
  client: TenClient,
  first: RolloutView,
  out: Output,
  clock: Clock,
  signal: AbortSignal,
): Promise<RolloutView> {
  using progress = out.progress(first.text);
  let seenAtMs = clock.monotonic();
  let told = { at: "", ms: seenAtMs };
  for (let view = first; ; ) {
    if (view.outcome === "promoted") return view;
    if (view.outcome !== null || view.held !== null) throw endOf(view, out.json);
    // A log takes a line for each step, and now and then one more.
    const at = `${view.phase} ${view.step}`;
    if (out.stdout.isTty || at !== told.at || clock.monotonic() - told.ms >= LINE_EVERY_MS) {
      progress.update(view.text);
      told = { at, ms: clock.monotonic() };
    }
    await sleep(clock, POLL_MS, signal).catch(() => {
      throw stoppedWaiting(view);
    });
    try {
      view = await find(client, view, signal);
      seenAtMs = clock.monotonic();
    } catch (thrown) {
      if (signal.aborted) throw stoppedWaiting(view);
      const isAway = thrown instanceof Fault && thrown.code === "unreachable";
      if (!isAway || clock.monotonic() - seenAtMs >= AWAY_MS) throw thrown;
    }
  }
}

/** This very one, also when another has begun since. */
async function find(client: TenClient, { service, number }: RolloutView, signal: AbortSignal) {
  const { rollout } = await client.rollout({ params: { service } }, { signal });
  if (rollout?.number === number) return rollout;
  const { rollouts } = await client.history({ params: { service }, query: {} }, { signal });
  const found = rollouts.find((one) => one.number === number);
  if (found) return found;
  throw new Fault(
    "not_found",
    `the rollout of ${service} is not known any more`,
    `see: ten history ${service}`,
  );
}

function endOf(view: RolloutView, withDetails: boolean): Fault {
  const { service, canary, text, outcome } = view;
  const details = withDetails ? { details: { rollout: view } } : {};
  if (outcome === null && view.held?.reason !== "failure") return new Fault("held", text, undefined, details);
  if (outcome === "taken_over" || outcome === "replaced")
    return new Fault("conflict", `${canary} is not judged any more: ${text}`, undefined, details);
  return new Fault("rolled_back", text, `why: ten logs ${service}:${canary}`, details);
}

function stoppedWaiting({ service, canary }: RolloutView): Fault {
  return new Fault(
    "stopped_waiting",
    `stopped waiting; ${canary} is rolled out all the same`,
    `see: ten rollout ${service}; or ten hold ${service} | ten abort ${service}`,
  );
}
