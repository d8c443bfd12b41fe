// Sessions of a browser that has logged in: made from a token or from a one-time code, kept in memory, ended by whatever comes first.
import { BoundedMap } from "../core/bounded-map.ts";
import { Fault } from "../core/fault.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { Access, Principal } from "./access.ts";
import { hashToken, newToken } from "./token.ts";

/** What a visitor logs in with. */
export type Secret = { readonly token: string } | { readonly code: string };

export interface Session<P extends Principal> {
  readonly principal: P;
  /** Fires when the session ends: what streams on its behalf ends too. */
  readonly ended: AbortSignal;
}

export interface Sessions<P extends Principal> extends Disposable {
  /** Begins a session and answers its id, which only the browser keeps; throws `unauthorised` or `too_many`. */
  begin(secret: Secret, address: string): string;
  /** Undefined when it has ended, also because its token is nobody's any more. */
  find(id: string): Session<P> | undefined;
  end(id: string): void;
  /** A code that begins one session of the socket's owner, for a short time. */
  newCode(): string;
}

export const SESSION_MS = 12 * 3600_000;
export const CODE_MS = 120_000;
/** Sessions of one token at once; its oldest ends first, so that nobody logs out anybody else. */
const SESSIONS_MAX = 10;
const CODES_MAX = 10;

interface Entry {
  /** Of the token it was begun with; undefined for one begun with a code, which is the owner's. */
  readonly token: string | undefined;
  readonly end: AbortController;
  readonly forget: () => void;
}

/**
 * By the hash of the id: what is in memory opens nothing. A restart of the server ends all sessions. `program` is whose
 * command makes login links.
 */
export function createSessions<P extends Principal>(
  access: Access<P>,
  clock: Clock,
  program: string,
): Sessions<P> {
  const sessions = new Map<string, Entry>();
  const codes = new BoundedMap<string, number>(CODES_MAX);

  function end(key: string): void {
    const entry = sessions.get(key);
    sessions.delete(key);
    entry?.forget();
    entry?.end.abort(new Fault("unauthorised", "the session has ended", "log in again"));
  }

  /** Whether that code was made and has not been used; it is used by asking. */
  function redeem(code: string): boolean {
    const key = hashToken(code);
    const untilMs = codes.get(key);
    codes.delete(key);
    return untilMs !== undefined && clock.monotonic() < untilMs;
  }

  function tokenOf(secret: Secret, address: string): string | undefined {
    if ("code" in secret) {
      if (redeem(secret.code)) return undefined;
      const { code, message } = access.guessed(address);
      if (code === "too_many") throw new Fault(code, message, "wait a minute");
      throw new Fault(code, "that login link was used or is too old", `make a new one: ${program} dashboard`);
    }
    const hash = hashToken(secret.token);
    if (!access.find(hash)) throw access.guessed(address);
    return hash;
  }

  return {
    begin(secret, address) {
      const token = tokenOf(secret, address);
      const others = [...sessions].filter(([, entry]) => entry.token === token);
      for (const [oldest] of others.slice(0, Math.max(0, others.length + 1 - SESSIONS_MAX))) end(oldest);
      const id = newToken();
      const key = hashToken(id);
      const forget = clock.after(SESSION_MS, () => end(key));
      sessions.set(key, { token, end: new AbortController(), forget });
      return id;
    },
    find(id) {
      const key = hashToken(id);
      const entry = sessions.get(key);
      if (!entry) return undefined;
      const principal = entry.token === undefined ? access.owner : access.find(entry.token);
      if (!principal) end(key);
      return principal && { principal, ended: entry.end.signal };
    },
    end: (id) => end(hashToken(id)),
    newCode() {
      const code = newToken();
      codes.set(hashToken(code), clock.monotonic() + CODE_MS);
      return code;
    },
    [Symbol.dispose]() {
      for (const key of [...sessions.keys()]) end(key);
    },
  };
}
