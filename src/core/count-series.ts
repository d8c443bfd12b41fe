// How often something happened, over time: in steps of 10 s for five minutes and of a minute for an hour. Costs what happens, not
// what might: a hundred thousand of them may be kept.
import { HOUR_STEPS, MINUTE_MS, type Minute, restoredStep, STEP_MS } from "./traffic-series.ts";

const PER_MINUTE = MINUTE_MS / STEP_MS;
/** Single steps are kept as long as a window of five minutes needs them. */
const SINGLE_STEPS = 31;

export class CountSeries {
  /** The number of a step and its count, again and again, the oldest first; older ones stand for the minute that they begin. */
  readonly #kept: number[] = [];

  /** Time may stand, and be set back. */
  add(nowMs: number, count: number): void {
    const step = Math.floor(nowMs / STEP_MS);
    this.#forget(step);
    this.#put(step, count);
  }

  /** What came in the last `windowMs`: whole steps, and what has come since. */
  sum(nowMs: number, windowMs: number): number {
    const now = Math.floor(nowMs / STEP_MS);
    const from = now - Math.min(HOUR_STEPS - 1, Math.round(windowMs / STEP_MS));
    let sum = 0;
    for (let at = this.#kept.length - 2; at >= 0; at -= 2) {
      const step = this.#kept[at] ?? 0;
      if (step < from) break;
      if (step <= now) sum += this.#kept[at + 1] ?? 0;
    }
    return sum;
  }

  /** Of a minute that has just ended. */
  minute(number: number): number {
    const from = number * PER_MINUTE;
    let sum = 0;
    for (let at = this.#kept.length - 2; at >= 0; at -= 2) {
      const step = this.#kept[at] ?? 0;
      if (step < from) break;
      if (step < from + PER_MINUTE) sum += this.#kept[at + 1] ?? 0;
    }
    return sum;
  }

  /** What an earlier process has counted; minutes come oldest first. Within one it is not known when; the sum is right. */
  restore(number: number, [count]: Minute, nowMs: number): void {
    const part = (at: number) => Math.floor((count * at) / PER_MINUTE);
    this.#forget(number * PER_MINUTE);
    for (let at = 0; at < PER_MINUTE; at++) {
      const share = part(at + 1) - part(at);
      if (share > 0) this.#put(restoredStep(number * PER_MINUTE + at, nowMs), share);
    }
  }

  /** Whether nothing happened in the last hour. */
  isIdle(nowMs: number): boolean {
    const last = this.#kept.at(-2);
    return last === undefined || last < Math.floor(nowMs / STEP_MS) - HOUR_STEPS;
  }

  #put(step: number, count: number): void {
    const kept = this.#kept;
    let at = kept.length;
    // A clock that was set back counts into what there is.
    while (at > 0 && (kept[at - 2] ?? 0) > step) at -= 2;
    if (at > 0 && kept[at - 2] === step) kept[at - 1] = (kept[at - 1] ?? 0) + count;
    else kept.splice(at, 0, step, count);
  }

  /** Lets go what no window has any more, and puts the steps of old minutes together. */
  #forget(now: number): void {
    const kept = this.#kept;
    if (kept.length === 0 || kept.at(-2) === now) return;
    let to = 0;
    for (let at = 0; at < kept.length; at += 2) {
      const step = kept[at] ?? 0;
      if (step < now - HOUR_STEPS) continue;
      const begin = step - (step % PER_MINUTE);
      const place = begin + PER_MINUTE <= now - SINGLE_STEPS ? begin : step;
      const count = kept[at + 1] ?? 0;
      if (to > 0 && kept[to - 2] === place) kept[to - 1] = (kept[to - 1] ?? 0) + count;
      else {
        kept[to] = place;
        kept[to + 1] = count;
        to += 2;
      }
    }
    kept.length = to;
  }
}
