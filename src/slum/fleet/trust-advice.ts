// What an operator has to write into a tenement's tenement.toml before it heeds this slum: pure.
import type { SelfReport } from "./ask-tenement.ts";

interface Unheeded {
  /** The key of tenement.toml. */
  readonly list: string;
  /** What is lost until it is written. */
  readonly lost: string;
}

const TRUST: Unheeded = {
  list: "trusted_proxies",
  lost: "visitors' addresses and domains are lost there",
};
const SELECT: Unheeded = { list: "selector_from", lost: "it serves nobody whom slum sends" };

/** Undefined when nothing is amiss, or nothing is known. `isStranger`: it is a tenement, and tells this slum nothing. */
export function trustAdvice(
  id: string,
  { peer, trusted, selector }: SelfReport,
  isStranger: boolean,
  ownAddress: string | undefined,
): string | undefined {
  const lacks: Unheeded[] = [];
  if (trusted === false || isStranger) lacks.push(TRUST);
  if (selector === false || isStranger) lacks.push(SELECT);
  if (lacks.length === 0) return undefined;
  const seenAs = peer === undefined ? "" : `, which it sees as ${peer}`;
  const lost = lacks.map((one) => one.lost).join(", and ");
  const lists = lacks.map(({ list }) => list).join(" and ");
  const address = addressFor(peer, ownAddress);
  return `${id} does not heed this slum${seenAs}: ${lost}. Add ${address} to ${lists} in its tenement.toml, and restart it`;
}

function addressFor(peer: string | undefined, own: string | undefined): string {
  if (peer !== undefined) return JSON.stringify(peer);
  return own === undefined ? "slum's address" : `${JSON.stringify(own)}, or what its log calls this slum,`;
}
