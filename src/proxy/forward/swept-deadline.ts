// A deadline that costs nothing to set: only a sweep looks at the clock, and most of what has one is over before the first comes.

const UNSET = -1;

/** Kept to one sweep: never early, and late by at most the time between two. */
export class SweptDeadline {
  #delayMs = 0;
  #atMs = UNSET;

  /** From now on so long; 0: for ever. */
  arm(delayMs: number): void {
    this.#delayMs = delayMs;
    this.#atMs = UNSET;
  }

  /** Asked by each sweep, with its time. */
  hasPassed(nowMs: number): boolean {
    if (this.#atMs === UNSET)
      this.#atMs = this.#delayMs > 0 ? nowMs + this.#delayMs : Number.POSITIVE_INFINITY;
    return nowMs >= this.#atMs;
  }
}
