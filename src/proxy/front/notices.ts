// What the operator is told of the wire: each kind at once and then at most once a minute, with how often it was.
import type { Clock } from "../../platform/time/clock.ts";

const EVERY_MS = 60_000;
const MOST_KINDS = 1_000;

export class Notices {
  readonly #clock: Clock;
  readonly #say: (text: string, target?: string) => void;
  readonly #told = new Map<string, { atMs: number; more: number }>();

  constructor(clock: Clock, say: (text: string, target?: string) => void) {
    this.#clock = clock;
    this.#say = say;
  }

  /** `kind` names what is the same; `text` is the latest of it, `target` whose doing it is. */
  tell(kind: string, text: string, target?: string): void {
    const nowMs = this.#clock.monotonic();
    const before = this.#told.get(kind);
    if (before !== undefined && nowMs - before.atMs < EVERY_MS) {
      before.more += 1;
      return;
    }
    if (before === undefined && this.#told.size >= MOST_KINDS) this.#told.clear();
    this.#told.set(kind, { atMs: nowMs, more: 0 });
    const often = before === undefined || before.more === 0 ? "" : ` (and ${before.more} times more before)`;
    this.#say(`${text}${often}`, target);
  }
}

/** Of a target whose answer could not be read. */
export function garbageNotice(id: string, why: string): string {
  return `${id} gave an answer that is no valid HTTP, its visitor got 502: ${why}`;
}
