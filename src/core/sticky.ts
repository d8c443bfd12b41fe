// Stickiness: which version of a route a returning visitor belongs to, from nothing but its cookie and the weights.
import { fnv1a, mixed } from "./hash.ts";
import { usable } from "./round-robin.ts";
import type { Route, Target } from "./route.ts";
import { sum } from "./weight.ts";

/**
 * What a visitor carries: the target that it saw, and a random number (32 bits) that says where it belongs.
 * Without the number it belongs to that target's version for as long as that takes traffic.
 */
export interface Mark {
  readonly label: string;
  readonly seed: number | undefined;
}

/** One route's versions with weight; immutable, made with the route table. */
export interface Sticky {
  /** Where a returning visitor goes, uncounted; undefined when it is to be picked like a new one, or all were `tried`. */
  homeOf(mark: Mark, tried?: Pick<ReadonlySet<string>, "has">): Target | undefined;
  /**
   * The mark for a visitor that `target` serves: the very same object when it still holds. `random` gives integers below
   * 2^32; it is asked as often as there are versions on average, and at most 1,000 times.
   */
  markFor(target: Target, mark: Mark | undefined, random: () => number): Mark;
}

interface Version {
  readonly hash: number;
  readonly weight: number;
  /** Its targets that may be used now. */
  readonly usable: readonly Target[];
  /** How much less than in proportion its weight may be by rounding alone: 0.01 for each target. */
  readonly slack: number;
}

const MOST_DRAWS = 1_000;
const MOST_SCORES = 5_000;
const NONE: ReadonlySet<string> = new Set();

/**
 * Two things must hold at once: new visitors are split exactly, by counting; and when weights change, visitors move only
 * towards a version that grew, just as many as it takes, never between the others and never back.
 *
 * For the second, versions compete for each visitor (weighted rendezvous hashing): each draws an exponential number from
 * the visitor's seed and its own name, divides it by its weight, and the least wins. Each wins in proportion to its
 * weight; a version that grows only ever wins visitors, one that shrinks only loses some; and scaling all by one factor,
 * as `ten weight` scales the siblings, changes no comparison among them. Nothing about earlier weights must be known.
 *
 * For the first, the winner of a new visitor is not drawn but given: it is whom counting picked, and the seed is drawn until
 * this very version wins by it. As versions are counted in proportion to their weights, the seeds of all visitors together
 * are as even as if they had been drawn freely, so that the next change of weights moves the right number of them.
 *
 * Weights decide where visitors belong, not health: a version that fails for a minute loses those who came meanwhile
 * (they get marks for whom they saw instead), but its return takes nobody back.
 */
export function createSticky(route: Route): Sticky {
  const versions = versionsOf(route);
  const byLabel = new Map<string, Version>();
  for (const target of route.targets) {
    const version = versions.get(versionOf(target));
    if (version !== undefined) byLabel.set(target.label, version);
  }
  const all = [...versions.values()];
  const draws = Math.min(MOST_DRAWS, Math.floor(MOST_SCORES / Math.max(1, all.length)));

  function winnerOf(seed: number): Version | undefined {
    let least = Number.POSITIVE_INFINITY;
    let winner: Version | undefined;
    for (const version of all) {
      const score = exponential(seed, version.hash) / version.weight;
      if (score < least) {
        least = score;
        winner = version;
      }
    }
    return winner;
  }

  /** Whether a visitor belongs here, rounding of weights to hundredths left aside: that alone moves nobody. */
  function holds(own: Version, seed: number): boolean {
    const score = exponential(seed, own.hash) / (own.weight + own.slack);
    return all.every(
      (other) =>
        other === own ||
        score <= exponential(seed, other.hash) / (other.weight - other.slack) ||
        other.weight <= other.slack,
    );
  }

  function homeVersion({ label, seed }: Mark): Version | undefined {
    const seen = byLabel.get(label);
    if (seed === undefined) return seen;
    return seen !== undefined && holds(seen, seed) ? seen : winnerOf(seed);
  }

  function homeOf(mark: Mark, tried: Pick<ReadonlySet<string>, "has"> = NONE): Target | undefined {
    const candidates = homeVersion(mark)?.usable.filter(({ id }) => !tried.has(id)) ?? [];
    return candidates.find(({ label }) => label === mark.label) ?? nearest(candidates, mark);
  }

  /** A number by which the version wins; undefined when none was found, as for one version of a thousand. */
  function seedFor(version: Version, random: () => number): number | undefined {
    for (let i = 0; i < draws; i++) {
      const seed = random();
      if (winnerOf(seed) === version) return seed;
    }
    return undefined;
  }

  return {
    homeOf,
    markFor(target, mark, random) {
      const { label } = target;
      const version = byLabel.get(label);
      if (mark !== undefined && version !== undefined && homeVersion(mark) === version) {
        return mark.label === label ? mark : { label, seed: mark.seed };
      }
      return { label, seed: version && seedFor(version, random) };
    },
  };
}

function versionsOf(route: Route): Map<string, Version> {
  const mayServe = new Set(usable(route));
  const weighted = Map.groupBy(
    route.targets.filter(({ weight }) => weight > 0),
    versionOf,
  );
  const versions = new Map<string, Version>();
  for (const [name, targets] of weighted) {
    const serving = targets.filter((target) => mayServe.has(target));
    // Those that serve have the weight of those that do not.
    const holders = serving.length > 0 ? serving : targets;
    const weight = sum(holders.map((target) => target.weight));
    versions.set(name, { hash: fnv1a(name), weight, usable: serving, slack: targets.length });
  }
  return versions;
}

function versionOf(target: Target): string {
  return target.version ?? target.label;
}

/** The same one for all requests of a visitor, and visitors evenly spread. */
function nearest(candidates: readonly Target[], { label, seed }: Mark): Target | undefined {
  const from = seed ?? fnv1a(label);
  let least = Number.POSITIVE_INFINITY;
  let found: Target | undefined;
  for (const target of candidates) {
    const score = exponential(from, fnv1a(target.id)) / target.weight;
    if (score < least) {
      least = score;
      found = target;
    }
  }
  return found;
}

/** Exponentially distributed, from one seed and one name always the same. */
function exponential(seed: number, hash: number): number {
  return -Math.log((mixed(mixed(seed + hash) ^ hash) + 0.5) / 2 ** 32);
}

const MARK = /^([a-z0-9][a-z0-9._-]{0,62})~([0-9a-z]{0,7})$/;

/** `v2~1x3f9k`; undefined when it was not written by `formatMark`. */
export function parseMark(text: string): Mark | undefined {
  const [, label, digits] = MARK.exec(text) ?? [];
  if (label === undefined || digits === undefined) return undefined;
  if (digits === "") return { label, seed: undefined };
  const seed = Number.parseInt(digits, 36);
  return seed < 2 ** 32 ? { label, seed } : undefined;
}

/** Only characters that a cookie may hold bare. */
export function formatMark({ label, seed }: Mark): string {
  return `${label}~${seed === undefined ? "" : seed.toString(36)}`;
}
