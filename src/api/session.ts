// Sessions of a browser that has logged in: made from a token or from a one-time code, kept in memory, ended by whatever comes first.
import { BoundedMap } from "../core/bounded-map.ts";
import { Fault } from "../core/fault.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { Access } from "./access.ts";
import type { Principal } from "./principal.ts";
import { hashToken, newSecret } from "./token.ts";

/** What a visitor logs in with. */
export type Secret = { readonly token: string } | { readonly code: string };

export interface Session {
  readonly principal: Principal;
  /** Fires when the session ends: what streams on its behalf ends too. */
  readonly ended: AbortSignal;
}

export interface Sessions extends Disposable {
  /** Begins a session and answers its id, which only the browser keeps; throws `unauthorised` or `too_many`. */
  begin(secret: Secret, address: string): string;
  /** Undefined when it has ended, also because its token is nobody's any more. */
  find(id: string): Session | undefined;
  end(id: string): void;
  /** A code that begins one session of the socket's owner, for a short time. */
  newCode(owner: Principal): string;
}

export const SESSION_MS = 12 * 3600_000;
export const CODE_MS = 120_000;
/** Sessions of one token at once; its oldest ends first, so that nobody logs out anybody else. */
const SESSIONS_MAX = 10;
const CODES_MAX = 10;

/** Whose it is: a token's, by its hash, or the socket's owner. */
type Holder = { readonly token: string } | { readonly owner: Principal };

interface Entry {
  readonly holder: Holder;
  readonly end: AbortController;
  readonly forget: () => void;
}

/**
 * By the hash of the id: what is in memory opens nothing. A restart of the server ends all sessions. `program` is whose
 * command makes login links.
 */
export function createSessions(access: Access, clock: Clock, program: string): Sessions {
  const sessions = new Map<string, Entry>();
  const codes = new BoundedMap<string, { readonly owner: Principal; readonly untilMs: number }>(CODES_MAX);

  function end(key: string): void {
    const entry = sessions.get(key);
    sessions.delete(key);
    entry?.forget();
    entry?.end.abort(new Fault("unauthorised", "the session has ended", "log in again"));
  }

  /** Who made that code, if it was made and has not been used; it is used by asking. */
  function redeem(code: string): Principal | undefined {
    const key = hashToken(code);
    const found = codes.get(key);
    codes.delete(key);
    return found && clock.monotonic() < found.untilMs ? found.owner : undefined;
  }

  function holderOf(secret: Secret, address: string): Holder {
    if ("token" in secret) return { token: access.check(secret.token, address) };
    const owner = redeem(secret.code);
    if (owner) return { owner };
    throw access.guessed(
      address,
      "that login link was used or is too old",
      `make a new one: ${program} dashboard`,
    );
  }

  const stopHearing = access.onEnd(() => {
    for (const [key, { holder }] of sessions) if (!principalOf(holder)) end(key);
  });

  function principalOf(holder: Holder): Principal | undefined {
    return "owner" in holder ? holder.owner : access.find(holder.token);
  }

  return {
    begin(secret, address) {
      const holder = holderOf(secret, address);
      const others = [...sessions].filter(([, entry]) => isSame(entry.holder, holder));
      for (const [oldest] of others.slice(0, Math.max(0, others.length + 1 - SESSIONS_MAX))) end(oldest);
      const id = newSecret();
      const key = hashToken(id);
      const forget = clock.after(SESSION_MS, () => end(key));
      sessions.set(key, { holder, end: new AbortController(), forget });
      return id;
    },
    find(id) {
      const key = hashToken(id);
      const entry = sessions.get(key);
      if (!entry) return undefined;
      const principal = principalOf(entry.holder);
      if (!principal) end(key);
      return principal && { principal, ended: entry.end.signal };
    },
    end: (id) => end(hashToken(id)),
    newCode(owner) {
      const code = newSecret();
      codes.set(hashToken(code), { owner, untilMs: clock.monotonic() + CODE_MS });
      return code;
    },
    [Symbol.dispose]() {
      stopHearing();
      for (const key of [...sessions.keys()]) end(key);
    },
  };
}

/** Those that codes began are one holder: the owner, whoever that was. */
function isSame(one: Holder, other: Holder): boolean {
  if ("token" in one) return "token" in other && one.token === other.token;
  return "owner" in other;
}
