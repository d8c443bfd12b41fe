// Counts what copies of requests led to: two versions were asked the same.
import { type CopyAnswer, differencesOf, isFailure, isRejection } from "../core/shadow/compare.ts";
import { addShadows, type Both, noShadows, type ShadowCounts } from "../core/shadow/shadow-counts.ts";

export class ShadowCounters {
  readonly #counts = new Map<string, ShadowCounts>();

  pair(route: string, run: string, pattern: string, stable: CopyAnswer, canary: CopyAnswer): void {
    const differences = differencesOf(stable, canary);
    const only = (is: (answer: CopyAnswer) => boolean): Both => ({
      canary: is(canary) && !is(stable) ? 1 : 0,
      stable: is(stable) && !is(canary) ? 1 : 0,
    });
    this.add({
      ...noShadows(route, run),
      pairs: 1,
      failed: only(isFailure),
      rejected: only(isRejection),
      patterns: [
        {
          pattern,
          pairs: 1,
          differing: differences.length > 0 ? 1 : 0,
          ms: { canary: canary.ms, stable: stable.ms },
          bytes: { canary: canary.bytes ?? 0, stable: stable.bytes ?? 0 },
          differences: differences.map((difference) => [difference, 1] as const),
        },
      ],
    });
  }

  skipped(route: string, run: string): void {
    this.add({ ...noShadows(route, run), skipped: 1 });
  }

  /** Also what somebody else has counted. */
  add(counts: ShadowCounts): void {
    const key = `${counts.route} ${counts.run}`;
    const known = this.#counts.get(key);
    this.#counts.set(key, known === undefined ? counts : addShadows(known, counts));
  }

  /** Everything since it was last taken. */
  take(): ShadowCounts[] {
    const counts = [...this.#counts.values()];
    this.#counts.clear();
    return counts;
  }
}
