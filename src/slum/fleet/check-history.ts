// What the checks of each server have found over the last day: for people who look, in memory of fixed size for each server.

export interface CheckSteps {
  /** Smoothed milliseconds at the end of each step, oldest first; null where none passed. */
  readonly latencyMs: readonly (number | null)[];
  /** Checks that failed; null where none was made. */
  readonly failed: readonly (number | null)[];
}

export const STEP_MS = 900_000;
/** A day. */
export const STEPS = 96;

interface Ring {
  readonly numbers: Int32Array;
  readonly latencyMs: Float32Array;
  readonly failed: Uint16Array;
}

export class CheckHistory {
  readonly #rings = new Map<string, Ring>();

  /** One check, at a wall clock time; `latencyMs` is undefined where none has passed yet. */
  note(id: string, atMs: number, ok: boolean, latencyMs: number | undefined): void {
    const ring = this.#rings.get(id) ?? emptyRing();
    this.#rings.set(id, ring);
    const number = Math.floor(atMs / STEP_MS);
    const place = number % STEPS;
    if (ring.numbers[place] !== number) {
      ring.numbers[place] = number;
      ring.latencyMs[place] = Number.NaN;
      ring.failed[place] = 0;
    }
    if (!ok) ring.failed[place] = (ring.failed[place] ?? 0) + 1;
    else if (latencyMs !== undefined) ring.latencyMs[place] = latencyMs;
  }

  /** The day up to now, the step that is not over included; undefined for a server that was never checked. */
  steps(id: string, nowMs: number): CheckSteps | undefined {
    const ring = this.#rings.get(id);
    if (!ring) return undefined;
    const places = stepNumbers(nowMs).map((number) =>
      ring.numbers[number % STEPS] === number ? number % STEPS : -1,
    );
    return {
      latencyMs: places.map((place) => {
        const ms = ring.latencyMs[place] ?? Number.NaN;
        return Number.isNaN(ms) ? null : Math.round(ms * 10) / 10;
      }),
      failed: places.map((place) => ring.failed[place] ?? null),
    };
  }

  /** Forgets all servers but these. */
  retain(ids: { has(id: string): boolean }): void {
    for (const id of this.#rings.keys()) if (!ids.has(id)) this.#rings.delete(id);
  }
}

/** When the first step of a day that ends now began, in milliseconds since the epoch. */
export function dayStartMs(nowMs: number): number {
  return (stepNumbers(nowMs)[0] ?? 0) * STEP_MS;
}

function stepNumbers(nowMs: number): number[] {
  const last = Math.floor(nowMs / STEP_MS);
  return Array.from({ length: STEPS }, (_, at) => last - STEPS + 1 + at);
}

function emptyRing(): Ring {
  return {
    numbers: new Int32Array(STEPS).fill(-1),
    latencyMs: new Float32Array(STEPS).fill(Number.NaN),
    failed: new Uint16Array(STEPS),
  };
}
