// Smooth weighted round robin: which target of a route is next, exactly in proportion to the weights.
import type { Route, Target } from "./route.ts";

/** Turns that are drawn together, where a period is longer. */
const MOST_DRAWN = 100;

/** The counters of all routes. They live beside the route table and survive every publish. */
export interface Selection {
  /**
   * The route's next target by weight, counted; undefined when no target with weight can be used. May be `asleep`.
   * Over any window of one period (the sum of the weights over their greatest common divisor) the split is exact. During
   * a trial it is exact from period to period, and drawn at random within each.
   */
  selectWeighted(route: Route): Target | undefined;
  /** Another usable target, awake if there is one, for a request that is already counted; undefined when all were tried. */
  alternative(route: Route, tried: Pick<ReadonlySet<string>, "has">): Target | undefined;
  /** Forgets the routes that are no more. */
  retain(names: ReadonlyMap<string, unknown>): void;
}

/**
 * `random` (0 to below 1) draws the order during trials. `phase` (the same) is where in the period a fresh counter starts:
 * worker i of N starts at i/N.
 */
export function createSelection(random: () => number, phase = 0): Selection {
  const turns = new Map<string, Turns>();
  const nextOf = (of: Turns, { trial }: Route) => (trial === undefined ? of.next() : of.nextDrawn(random));
  return {
    selectWeighted(route) {
      const known = turns.get(route.name);
      if (known?.route === route) return known.probe() ?? nextOf(known, route);
      const fresh = new Turns(route, phase, known);
      turns.set(route.name, fresh);
      return fresh.probe() ?? nextOf(fresh, route);
    },
    alternative(route, tried) {
      const left = usable(route).filter((target) => !tried.has(target.id));
      const awake = left.filter(({ readiness }) => readiness !== "asleep");
      const choice = awake.length > 0 ? awake : left;
      const known = turns.get(route.name);
      return known ? choice[known.spare++ % choice.length] : choice[0];
    },
    retain(names) {
      for (const name of turns.keys()) if (!names.has(name)) turns.delete(name);
    },
  };
}

/** The targets that the weights are shared among: those that serve or sleep, or (fail open) the unsure when there is none. */
export function usable<T extends Pick<Target, "weight" | "readiness">>(route: {
  readonly targets: readonly T[];
}): T[] {
  const weighted = route.targets.filter((target) => target.weight > 0);
  const serving = weighted.filter(({ readiness }) => readiness === "ready" || readiness === "asleep");
  return serving.length > 0 ? serving : weighted.filter(({ readiness }) => readiness === "unsure");
}

/**
 * One route's turns. Each target's n-th turn (from 0) falls at the virtual time (2n+1)/weight, so its turns are evenly
 * spaced; the earliest is next, ties in the order of the route. That is exact however the turns stand to each other,
 * because in any stretch of 2/gcd each target has weight/gcd turns; so a target may come and go without moving others.
 * Times are compared as fractions of integers, never as floats. A binary heap makes a pick O(log n), with no allocation.
 */
class Turns {
  readonly route: Route;
  /** Counts the picks made outside the turns. */
  spare = 0;
  readonly #targets: readonly Target[];
  /** How many turns each target has had, by its place in `#targets`. */
  readonly #had: Float64Array;
  /** Places in `#targets`, the earliest next turn first. */
  readonly #heap: Uint32Array;
  /** Targets that one request is to be let through to. */
  readonly #probes: Target[];
  /** The last probe of each that has had one, by its id. */
  readonly #probed: ReadonlyMap<string, number>;
  readonly #gcd: number;
  #leftInPeriod: number;
  /** Turns that were taken together, to be served in random order: places in `#targets`. */
  #drawn: number[] = [];
  /** The virtual time of the last turn, as a fraction. */
  #nowOver = 0;
  #nowUnder = 1;

  /** Takes over from the turns before, but for the counters when a command has set the weights since. */
  constructor(route: Route, phase: number, known: Turns | undefined) {
    const before = known?.route.epoch === route.epoch ? known : undefined;
    this.route = route;
    this.#probes = route.targets.filter((target) => known?.mayProbe(target, phase));
    this.#probed = new Map(
      route.targets.flatMap(({ id, probe }) => (probe === undefined ? [] : [[id, probe.number]])),
    );
    this.#targets = usable(route);
    const weights = this.#targets.map(({ weight }) => weight);
    this.#gcd = weights.reduce(greatestCommonDivisor, 0);
    this.#leftInPeriod = this.#period();
    this.#had = new Float64Array(weights.length);
    this.#heap = new Uint32Array(weights.length).map((_, place) => place);
    if (before) this.#follow(before);
    else this.#startAt(phase);
    for (let i = (weights.length >> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  /** Whether one request is to be let through to a target, and has not been. */
  mayProbe({ id, readiness, probe }: Target, phase: number): boolean {
    if (readiness !== "unsure" || probe?.phase !== phase) return false;
    return probe.number > (this.#probed.get(id) ?? 0) || this.#probes.some((target) => target.id === id);
  }

  /** A target that is to be probed with this request; nobody's turn is taken by that. */
  probe(): Target | undefined {
    return this.#probes.length === 0 ? undefined : this.#probes.pop();
  }

  next(): Target | undefined {
    const first = this.#take();
    return first === undefined ? undefined : this.#targets[first];
  }

  /**
   * The next one of a whole period (or of a hundred turns) in random order. In the exact order a visitor who asks for the
   * same things by turns can meet each of them on one version only, and be the reason that a good one is blamed.
   */
  nextDrawn(random: () => number): Target | undefined {
    if (this.#drawn.length === 0) {
      for (let left = Math.min(this.#period(), MOST_DRAWN); left > 0; left--)
        this.#drawn.push(this.#take() ?? 0);
      shuffle(this.#drawn, random);
    }
    const place = this.#drawn.pop();
    return place === undefined ? undefined : this.#targets[place];
  }

  /** Counts the turn of the place that has it. */
  #take(): number | undefined {
    const first = this.#heap[0];
    if (first === undefined) return undefined;
    const target = this.#targets[first] as Target;
    this.#nowOver = 2 * (this.#had[first] as number) + 1;
    this.#nowUnder = target.weight;
    this.#had[first] = (this.#had[first] as number) + 1;
    this.#sink(0);
    this.#leftInPeriod -= 1;
    if (this.#leftInPeriod === 0) this.#rewind();
    return first;
  }

  #period(): number {
    let sum = 0;
    for (const { weight } of this.#targets) sum += weight;
    return this.#gcd === 0 ? 0 : sum / this.#gcd;
  }

  /** One period back for all, which keeps their order and keeps the numbers small. */
  #rewind(): void {
    this.#leftInPeriod = this.#period();
    this.#nowOver -= (2 * this.#nowUnder) / this.#gcd;
    for (const [place, { weight }] of this.#targets.entries()) {
      this.#had[place] = (this.#had[place] as number) - weight / this.#gcd;
    }
  }

  #startAt(phase: number): void {
    this.#nowOver = phase * 2;
    this.#nowUnder = this.#gcd || 1;
    for (const [place, target] of this.#targets.entries()) this.#had[place] = this.#turnsBeforeNow(target);
  }

  /** Takes over the turns of those who were there with the same weight; others have their first turn from now on. */
  #follow(before: Turns): void {
    this.spare = before.spare;
    this.#nowOver = before.#nowOver;
    this.#nowUnder = before.#nowUnder;
    const places = new Map(before.#targets.map(({ id }, place) => [id, place]));
    let same = 0;
    for (const [place, target] of this.#targets.entries()) {
      const was = places.get(target.id);
      const stays = was !== undefined && before.#targets[was]?.weight === target.weight;
      this.#had[place] = stays ? (before.#had[was] as number) : this.#turnsBeforeNow(target);
      if (stays) same += 1;
    }
    if (same !== this.#had.length || same !== before.#had.length) return;
    this.#leftInPeriod = before.#leftInPeriod;
    // Half a period in random order is not exact: it is finished where it can be.
    const now = new Map(this.#targets.map(({ id }, place) => [id, place]));
    this.#drawn = before.#drawn.map((place) => now.get(before.#targets[place]?.id ?? "") ?? 0);
  }

  #turnsBeforeNow({ weight }: Target): number {
    return Math.ceil(((this.#nowOver * weight) / this.#nowUnder - 1) / 2);
  }

  #isEarlier(a: number, b: number): boolean {
    const left = (2 * (this.#had[a] as number) + 1) * (this.#targets[b] as Target).weight;
    const right = (2 * (this.#had[b] as number) + 1) * (this.#targets[a] as Target).weight;
    return left < right || (left === right && a < b);
  }

  #sink(start: number): void {
    const heap = this.#heap;
    const sinking = heap[start] as number;
    let at = start;
    for (let child = 2 * at + 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && this.#isEarlier(heap[child + 1] as number, heap[child] as number)) {
        child += 1;
      }
      const rising = heap[child] as number;
      if (this.#isEarlier(sinking, rising)) break;
      heap[at] = rising;
      at = child;
    }
    heap[at] = sinking;
  }
}

/** Fisher and Yates. */
function shuffle(places: number[], random: () => number): void {
  for (let i = places.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const swapped = places[i] as number;
    places[i] = places[j] as number;
    places[j] = swapped;
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
