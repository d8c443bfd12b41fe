// Draws for simulations: counts of rare and of frequent things, from one stream of random numbers.

export type Random = () => number;

/** How many of `count` happen, each with probability `part`. */
export function binomial(random: Random, count: number, part: number): number {
  if (part <= 0 || count <= 0) return 0;
  if (part >= 1) return count;
  if (part > 0.5) return count - binomial(random, count, 1 - part);
  const mean = count * part;
  if (mean > 40) {
    const drawn = Math.round(mean + normal(random) * Math.sqrt(mean * (1 - part)));
    return Math.min(count, Math.max(0, drawn));
  }
  // The gaps between those that happen are geometric.
  const log = Math.log1p(-part);
  let seen = 0;
  for (let at = gap(random, log); at < count; at += 1 + gap(random, log)) seen += 1;
  return seen;
}

function gap(random: Random, log: number): number {
  return Math.floor(Math.log(1 - random()) / log);
}

export function poisson(random: Random, mean: number): number {
  if (mean > 40) return Math.max(0, Math.round(mean + normal(random) * Math.sqrt(mean)));
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = random(); product > limit; product *= random()) count += 1;
  return count;
}

export function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
