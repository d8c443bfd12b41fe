// How one request reaches an admin API, over a unix socket or HTTP, and how every failure on the way becomes a Fault.
import { statSync } from "node:fs";
import { dirname } from "node:path";
import { Fault, messageOf } from "../core/fault.ts";
import { quote } from "../core/quote.ts";
import { userEntry } from "../platform/process/account.ts";
import { type Clock, systemClock } from "../platform/time/clock.ts";

/** Where the API is. A socket needs no token: who may open it is its owner. */
export type Endpoint =
  | { readonly socket: string }
  | { readonly url: URL; readonly token?: string | undefined };

export interface DialOptions {
  readonly endpoint: Endpoint;
  /** `ten/0.1.0`; the server sends its own. */
  readonly product: string;
  /** The advice when nobody answers: where we looked, and how to start one. `cause` is the system's word for it. */
  readonly unreachable: (cause: string) => Fault;
  /** Told once when the server is of another version. */
  readonly onOtherVersion?: (product: string) => void;
  readonly clock?: Clock;
}

interface Letter {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
  /** Sent as it comes, in the place of a body. */
  readonly upload?: ReadableStream<Uint8Array> | undefined;
  /** The media type that the answer has if it is one of ours. */
  readonly accept: string;
  /** Until the head of the answer, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Answers the successful response; rejects with a Fault, or with the reason of a signal that fired. */
export type Dial = (letter: Letter) => Promise<Response>;

/** The URL that a person gave for a server, or a usage fault. */
export function parseServerUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^https?:$/.test(url.protocol) && url.pathname === "/" && !url.search && !url.username)
    return url;
  throw new Fault(
    "usage",
    `${quote(text)} is not the URL of a server`,
    "write http://host:port or https://host",
  );
}

export function createDial({
  endpoint,
  product,
  unreachable,
  onOtherVersion,
  clock = systemClock,
}: DialOptions): Dial {
  const name = product.replace(/\/.*/, "/");
  let told = false;

  function compareVersions(response: Response): void {
    const server = response.headers.get("server") ?? "";
    if (told || server === product || !server.startsWith(name)) return;
    told = true;
    onOtherVersion?.(server);
  }

  return async (letter) => {
    const deadline = new AbortController();
    const cancelDeadline = clock.after(letter.timeoutMs, () => deadline.abort());
    try {
      const response = await send(endpoint, letter, deadline.signal);
      compareVersions(response);
      const type = response.headers.get("content-type") ?? "no content";
      if (response.ok && type.startsWith(letter.accept)) return response;
      const fault = response.ok ? undefined : Fault.fromJson(await response.json().catch(() => null));
      throw fault ?? unreachable(`HTTP ${response.status} with ${type}, which is not an answer of ours`);
    } catch (error) {
      if (letter.signal?.aborted) throw letter.signal.reason;
      if (deadline.signal.aborted) throw unreachable(`no answer in ${letter.timeoutMs / 1000} s`);
      throw error instanceof Fault ? error : unreachable(causeOf(error));
    } finally {
      cancelDeadline();
    }
  };
}

function send(
  endpoint: Endpoint,
  { method, path, body, upload, accept, signal }: Letter,
  deadline: AbortSignal,
) {
  const headers = new Headers({ Accept: `${accept}, application/json` });
  const init: BunFetchRequestInit = {
    method,
    headers,
    signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    redirect: "manual",
    proxy: false,
    timeout: false,
    // Said, as the environment may say the contrary, and a token is sent.
    tls: { rejectUnauthorized: true },
  };
  if (body !== undefined) {
    headers.set("Content-Type", "application/json");
    init.body = JSON.stringify(body);
  }
  if (upload) {
    headers.set("Content-Type", "application/octet-stream");
    init.body = upload;
  }
  if ("socket" in endpoint)
    return fetch(new URL(path, "http://localhost"), { ...init, unix: endpoint.socket });
  if (endpoint.token !== undefined) headers.set("Authorization", `Bearer ${endpoint.token}`);
  return fetch(new URL(path, endpoint.url), init);
}

/** What to say when nobody answers there: `what` is not running, and `start` is how to begin one on this machine. */
export function unreachableAt(endpoint: Endpoint, what: string, start: string): DialOptions["unreachable"] {
  return (cause) => {
    if ("url" in endpoint)
      return new Fault(
        "unreachable",
        `no answer from ${endpoint.url.origin}: ${cause}`,
        `is the ${what} running, and the URL right?`,
      );
    const { socket } = endpoint;
    const owner = cause === CAUSES.EACCES ? ownerOf(socket) : undefined;
    return owner === undefined
      ? new Fault("unreachable", `no ${what} at ${socket}: ${cause}`, start)
      : new Fault(
          "forbidden",
          `the ${what} at ${socket} is ${owner}'s, and only its owner may use the socket`,
          `run it as ${owner}: sudo ${owner === "root" ? "" : `-u ${owner} `}..., or use a token: --server URL --token-file FILE`,
        );
  };
}

/** Whose the socket is, or the directory that closes it to us; undefined: ours, or not known. */
function ownerOf(socket: string): string | undefined {
  for (let path = socket; path !== dirname(path); path = dirname(path)) {
    try {
      const { uid } = statSync(path);
      return uid === process.getuid?.() ? undefined : (userEntry(String(uid))?.name ?? `user ${uid}`);
    } catch {
      // What cannot be seen is below what closes it.
    }
  }
  return undefined;
}

const CAUSES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOENT: "there is no such socket",
  EACCES: "permission denied",
  ENOTFOUND: "the host name does not resolve",
  ECONNRESET: "the connection was closed before an answer",
};

/** The system's word for why a connection failed, in words. */
export function causeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return (typeof code === "string" && CAUSES[code]) || messageOf(error);
}
