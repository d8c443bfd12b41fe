// How the page talks to its server: the admin API with the cookie of its session, and logging in and out.
import { Fault, messageOf } from "../../core/fault.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { type Client, clientOver, type Way } from "../client.ts";
import type { Dial } from "../dial.ts";
import type { Contract } from "../operation.ts";
import { PAGE_FIELD, SESSION_PATH } from "../page-field.ts";
import type { Principal } from "../principal.ts";
import type { Secret } from "../session.ts";

/** Who has logged in, and at which server (`ten/0.1.0`). */
export interface Visitor {
  readonly principal: Principal;
  readonly product: string;
}

export interface PageServer<C extends Contract> {
  readonly client: Client<C>;
  /** Undefined when nobody is logged in. */
  whoAmI(): Promise<Visitor | undefined>;
  logIn(secret: Secret): Promise<Visitor>;
  logOut(): Promise<void>;
}

/** `onLoggedOut` is told when the server no longer knows the session. */
export function createPageServer<C extends Contract>(
  ways: Readonly<Record<keyof C, Way>>,
  onLoggedOut: () => void,
): PageServer<C> {
  const dial: Dial = async (letter) => {
    const response = await send(letter);
    if (response.ok) return response;
    const fault = Fault.fromJson(await response.json().catch(() => null));
    if (fault?.code === "unauthorised") onLoggedOut();
    throw fault ?? unreachable(`HTTP ${response.status}`);
  };

  async function session(method: string, body?: Secret): Promise<Visitor | undefined> {
    const response = await send({ method, path: SESSION_PATH, body, accept: "application/json" });
    const answer = await response.json().catch(() => null);
    if (!response.ok) throw Fault.fromJson(answer) ?? unreachable(`HTTP ${response.status}`);
    if (answer.scope === null) return undefined;
    if (typeof answer.page === "string") keepHalf(answer.page);
    return { principal: answer, product: response.headers.get("server") ?? "" };
  }

  return {
    client: clientOver<C>(ways, { dial, unreachable, clock }),
    whoAmI: () => session("GET"),
    async logIn(secret) {
      const visitor = await session("POST", secret);
      if (!visitor) throw unreachable("the session did not begin");
      return visitor;
    },
    async logOut() {
      await session("DELETE");
      keepHalf(undefined);
    },
  };
}

const HALF = "session";

/** The half of the session's id that no other port of this host is sent, as it would be a cookie. */
function half(): string {
  return sessionStorage.getItem(HALF) ?? "none";
}

function keepHalf(text: string | undefined): void {
  if (text === undefined) sessionStorage.removeItem(HALF);
  else sessionStorage.setItem(HALF, text);
}

type Sent = Pick<Parameters<Dial>[0], "method" | "path" | "body" | "accept"> &
  Partial<Pick<Parameters<Dial>[0], "signal" | "timeoutMs">>;

/** The head of the answer, in time. */
async function send({ method, path, body, accept, signal, timeoutMs = 30_000 }: Sent): Promise<Response> {
  const headers: Record<string, string> = { Accept: `${accept}, application/json`, [PAGE_FIELD]: half() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const overdue = new AbortController();
  const cancel = clock.after(timeoutMs, () => overdue.abort(new Error(`none in ${timeoutMs / 1000} s`)));
  try {
    return await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.any(signal ? [signal, overdue.signal] : [overdue.signal]),
      cache: "no-store",
    });
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    // Each browser has words of its own for a connection that failed, "Failed to fetch".
    throw unreachable(error instanceof TypeError ? "the connection failed" : messageOf(error));
  } finally {
    cancel();
  }
}

function unreachable(cause: string): Fault {
  return new Fault("unreachable", `no answer from the server: ${cause}`, "is it running?");
}

const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, call) {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
  every(periodMs, call) {
    const timer = setInterval(call, periodMs);
    return () => clearInterval(timer);
  },
};
