// Who is calling: the user at the socket or the holder of a token, with a limit on guessing tokens and on asking much.
import { BoundedMap } from "../core/bounded-map.ts";
import { Fault } from "../core/fault.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { Principal } from "./principal.ts";
import { formOf, hashToken } from "./token.ts";
import { principalOf, type Tokens } from "./tokens.ts";

/** Where a request came in: the unix socket is its owner's, the network is anybody's. */
export interface Peer {
  readonly door: "socket" | "network";
  /** The client's IP address, after trusted proxies; empty for the socket. */
  readonly address: string;
  /** Whether its forwarded headers count (`trusted_proxies`). */
  readonly trusted: boolean;
  /** Whether it may say by a field for whom it asks (`selector_from`). */
  readonly selects?: boolean;
  /** Who has opened the socket, where the system tells. */
  readonly user?: string;
}

export const SOCKET_PEER: Peer = { door: "socket", address: "", trusted: true };

/** What a caller that may something is told of how it is seen; a stranger learns nothing. */
export function howSeen({ address, trusted, selects = false }: Peer) {
  return trusted || selects ? { peer: address || null, trusted, selector: selects } : {};
}

/** The limits of a connection on silence, which an answer that takes its time or has no end is exempt from. */
export interface Limits {
  holdOpen(): void;
  /** Sets them again. */
  letIdle(): void;
}

export interface Caller {
  readonly principal: Principal;
  /** Fires when it may not go on: its token was taken back, its session has ended. */
  readonly ended: AbortSignal;
  /** The door and the address, for who reads later what was done. */
  readonly from: string;
}

export interface Access extends Disposable {
  /** By the door, else by the bearer token; throws `unauthorised` or `too_many`. */
  authorise(request: Request, peer: Peer): Caller;
  /** The hash of a token that counts now; throws as above. */
  check(token: string, address: string): string;
  /** Whose token that is now; undefined when it does not count any more. */
  find(hash: string): Principal | undefined;
  /** The fault for a wrong secret, which counts as a guess of that address. */
  guessed(address: string, message?: string, hint?: string): Fault;
  /** Calls back when tokens may have ended that counted before, until the returned function is called. */
  onEnd(call: () => void): () => void;
  /** Counts a request of a principal, until the returned function is called; throws `too_many`. */
  admit(principal: Principal): () => void;
}

/** Who has the socket, without a token. */
function ownerAt(peer: Peer): Principal {
  return { name: peer.user ?? "owner", scope: "admin" };
}

/** Where a session of the page comes from, for who reads later what was done. */
export function dashboardAt(address: string): string {
  return `dashboard ${address}`.trim();
}

const WRONG_TOKENS = 10;
const WINDOW_MS = 60_000;
/** Addresses remembered at once; the oldest is forgotten first. */
const ADDRESSES_MAX = 10_000;
/** How soon a stream ends whose token has expired, or was taken back by another process. */
const SWEEP_MS = 1_000;
/** Requests and streams of one token at once, and how many it may begin: so many a second, and so many at once. */
const IN_FLIGHT_MAX = 100;
const PER_SECOND = 50;
const BURST = 500;
const NEVER = new AbortController().signal;

/** After ten wrong tokens within a minute an address gets `too_many` for wrong ones; a right one always passes. */
export function createAccess(
  program: string,
  tokens: Tokens,
  clock: Clock,
  onBurst: (address: string) => void = () => {},
): Access {
  const wrong = new BoundedMap<string, { count: number; readonly sinceMs: number }>(ADDRESSES_MAX);
  /** What ends with its token, by hash; as many as there are tokens in use. */
  const live = new Map<string, AbortController>();
  const use = new BoundedMap<string, { left: number; atMs: number; inFlight: number }>(ADDRESSES_MAX);
  let stopSweeps: (() => void) | undefined;
  const stopHearing = tokens.onEnd(sweep);

  function sweep(): void {
    for (const [hash, controller] of live) {
      const found = tokens.find(hash);
      if (found && !(found instanceof Fault)) continue;
      live.delete(hash);
      controller.abort(found ?? new Fault("unauthorised", "the token is not valid any more"));
    }
  }

  function endOf(hash: string): AbortSignal {
    stopSweeps ??= clock.every(SWEEP_MS, sweep);
    const controller = live.get(hash) ?? new AbortController();
    live.set(hash, controller);
    return controller.signal;
  }

  function guessed(
    address: string,
    message = "that token is not valid: this server has not made it",
    hint = `is it another server's? ${program} token list shows those that there are`,
  ): Fault {
    const nowMs = clock.monotonic();
    let entry = wrong.get(address);
    if (!entry || nowMs - entry.sinceMs >= WINDOW_MS) {
      entry = { count: 0, sinceMs: nowMs };
      wrong.set(address, entry);
    }
    entry.count += 1;
    if (entry.count === WRONG_TOKENS + 1) onBurst(address);
    if (entry.count > WRONG_TOKENS) return new Fault("too_many", "too many wrong tokens", "wait a minute");
    return new Fault("unauthorised", message, hint);
  }

  function check(token: string, address: string): string {
    const form = formOf(token, program);
    if (form === "mistyped")
      throw guessed(
        address,
        "that token is mistyped or cut: its checksum does not fit",
        "copy it again, whole",
      );
    if (form === "foreign") {
      const other = program === "ten" ? "slum" : "ten";
      throw guessed(
        address,
        `that token is of ${other}, and this is ${program}`,
        `make one: ${program} token create`,
      );
    }
    const hash = hashToken(token);
    const found = tokens.find(hash);
    if (found instanceof Fault) throw found;
    if (!found) throw guessed(address);
    tokens.used(hash, address);
    return hash;
  }

  function find(hash: string): Principal | undefined {
    const found = tokens.find(hash);
    return found && !(found instanceof Fault) ? principalOf(found) : undefined;
  }

  return {
    guessed,
    check,
    find,
    onEnd: tokens.onEnd,
    authorise(request, peer) {
      if (peer.door === "socket") return { principal: ownerAt(peer), ended: NEVER, from: "socket" };
      const token = /^Bearer +(\S+) *$/i.exec(request.headers.get("authorization") ?? "")?.[1];
      if (token === undefined)
        throw new Fault(
          "unauthorised",
          "a token is needed",
          `set it in the environment, or log in: ${program} login URL; over HTTP: Authorization: Bearer TOKEN`,
        );
      const hash = check(token, peer.address);
      const principal = find(hash);
      if (!principal) throw guessed(peer.address);
      return { principal, ended: endOf(hash), from: peer.address };
    },
    admit({ name, scope }) {
      const nowMs = clock.monotonic();
      const entry = use.get(name) ?? { left: BURST, atMs: nowMs, inFlight: 0 };
      use.set(name, entry);
      entry.left = Math.min(BURST, entry.left + ((nowMs - entry.atMs) / 1000) * PER_SECOND);
      entry.atMs = nowMs;
      if (entry.left < 1 || entry.inFlight >= IN_FLIGHT_MAX)
        throw new Fault("too_many", `${name} (${scope}) asks too much at once`, "wait a second");
      entry.left -= 1;
      entry.inFlight += 1;
      return () => {
        entry.inFlight -= 1;
      };
    },
    [Symbol.dispose]() {
      stopSweeps?.();
      stopHearing();
      tokens[Symbol.dispose]();
    },
  };
}
