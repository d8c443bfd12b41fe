// Who is calling: bearer tokens, and a limit on guessing them.
import { BoundedMap } from "../core/bounded-map.ts";
import { Fault } from "../core/fault.ts";
import type { Clock } from "../platform/time/clock.ts";
import { hashToken } from "./token.ts";

/** Where a request came in: the unix socket is its owner's, the network is anybody's. */
export interface Peer {
  readonly door: "socket" | "network";
  /** The client's IP address, after trusted proxies; empty for the socket. */
  readonly address: string;
  /** Whether its forwarded headers count (`trusted_proxies`). */
  readonly trusted: boolean;
}

export const SOCKET_PEER: Peer = { door: "socket", address: "", trusted: true };

/** The limits of a connection on silence, which an answer that takes its time or has no end is exempt from. */
export interface Limits {
  holdOpen(): void;
  /** Sets them again. */
  letIdle(): void;
}

export interface Principal {
  readonly scope: "admin" | "tenant";
}

/** Answers who the caller is, or throws `unauthorised` or `too_many`. */
export type Authorise<P extends Principal> = (request: Request, peer: Peer) => P;

export interface Access<P extends Principal> {
  /** Who comes through the unix socket, without a token. */
  readonly owner: P;
  /** By the door, else by the bearer token. */
  readonly authorise: Authorise<P>;
  /** Whose token that is now; undefined when it is nobody's any more. */
  find(hash: string): P | undefined;
  /** The fault for a wrong secret, which counts as a guess of that address. */
  guessed(address: string): Fault;
}

const WRONG_TOKENS = 10;
const WINDOW_MS = 60_000;
/** Addresses remembered at once; the oldest is forgotten first. */
const ADDRESSES_MAX = 10_000;

interface AccessOptions<P extends Principal> {
  /** Whose token has that hash; the program compares with `sameHash`. */
  readonly find: (hash: string) => P | undefined;
  readonly owner: P;
  readonly clock: Clock;
}

/** After ten wrong tokens within a minute an address gets `too_many` for wrong ones; a right one always passes. */
export function createAccess<P extends Principal>({ find, owner, clock }: AccessOptions<P>): Access<P> {
  const wrong = new BoundedMap<string, { count: number; readonly sinceMs: number }>(ADDRESSES_MAX);

  function guessed(address: string): Fault {
    const nowMs = clock.monotonic();
    let entry = wrong.get(address);
    if (!entry || nowMs - entry.sinceMs >= WINDOW_MS) {
      entry = { count: 0, sinceMs: nowMs };
      wrong.set(address, entry);
    }
    entry.count += 1;
    if (entry.count > WRONG_TOKENS) return new Fault("too_many", "too many wrong tokens", "wait a minute");
    return new Fault("unauthorised", "that token is not valid", "make a new one with token-gen");
  }

  return {
    owner,
    find,
    guessed,
    authorise(request, peer) {
      if (peer.door === "socket") return owner;
      const token = /^Bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1];
      if (token === undefined)
        throw new Fault(
          "unauthorised",
          "a token is needed",
          "give one with --token; over HTTP: Authorization: Bearer <token>",
        );
      const principal = find(hashToken(token));
      if (!principal) throw guessed(peer.address);
      return principal;
    },
  };
}
