// One HTTP request to a receiver of webhooks: to an address that was checked, without redirects, and bounded in time.

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { Fault, messageOf } from "../core/fault.ts";
import { isIpLiteral, unbracketed } from "../core/host.ts";
import { isGlobalUnicast } from "../core/ip-address.ts";
import { quote } from "../core/quote.ts";
import { parseRetryAfter } from "../core/retry-after.ts";
import type { Clock } from "../platform/time/clock.ts";
import { type Fields, type Upstream, UpstreamFailure } from "../proxy/http-client.ts";
import type { Rendered } from "./kinds.ts";

const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 10_000;
const LOOKUP_TIMEOUT_MS = 5_000;
const SHOWN_CHARS = 500;

export interface Reply {
  readonly status: number;
  /** The beginning of its body. */
  readonly text: string;
  /** How long it asks to be left alone; undefined when it does not. */
  readonly retryAfterMs: number | undefined;
}

/** The URL of a receiver, or a usage fault. */
export function parseReceiverUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol))
    throw new Fault("usage", `${quote(text)} is not the URL of a receiver`, "write https://host/path");
  if (url.username !== "" || url.password !== "")
    throw new Fault(
      "usage",
      "the URL of a receiver has no user name or password",
      "messages are signed instead",
    );
  url.hash = "";
  return url;
}

/** Whether a receiver's URL may be all that is needed to post to it: those of chat programs are. */
export function isSecretReceiver(text: string): boolean {
  const { pathname, search } = new URL(text);
  return pathname !== "/" || search !== "";
}

/** A receiver's URL as logs and events have it. */
export function shownReceiver(text: string): string {
  const { origin } = new URL(text);
  return isSecretReceiver(text) ? `${origin}/...` : origin;
}

/** The address to send to. Throws a Fault when the name has none, or a private one that is not allowed. */
export async function addressOf(url: URL, allowPrivate: boolean, clock: Clock): Promise<string> {
  const host = unbracketed(url.hostname);
  const found = isIP(host) ? [host] : await resolve(host, clock);
  const refused = allowPrivate ? undefined : found.find((address) => !isGlobalUnicast(address));
  if (refused !== undefined)
    throw new Fault(
      "forbidden",
      `${host}${host === refused ? "" : ` (${refused})`} is a private address`,
      "if it is meant, allow it: --allow-private",
    );
  const [first] = found;
  if (first === undefined) throw new Fault("unreachable", `${host} has no address`);
  return first;
}

async function resolve(host: string, clock: Clock): Promise<string[]> {
  const late = Promise.withResolvers<never>();
  const cancel = clock.after(LOOKUP_TIMEOUT_MS, () => late.reject(new Error("no answer in time")));
  try {
    const found = await Promise.race([lookup(host, { all: true }), late.promise]);
    return found.map(({ address }) => address);
  } catch (thrown) {
    throw new Fault("unreachable", `${host} does not resolve: ${messageOf(thrown)}`);
  } finally {
    cancel();
  }
}

export interface PostParts {
  /** `ten` or `slum`. */
  readonly program: string;
  readonly upstream: Upstream;
  readonly clock: Clock;
}

/** Posts a message and answers what came back, whatever its status. Rejects with a Fault when nothing did. */
export async function post(
  { upstream, clock, program }: PostParts,
  url: URL,
  address: string,
  { contentType, headers, body }: Rendered,
  signal: AbortSignal,
): Promise<Reply> {
  const isTls = url.protocol === "https:";
  const fields: Fields = [
    ["host", url.host],
    ["user-agent", `${program}-webhook`],
    ["content-type", contentType],
    ["accept", "*/*"],
    ...headers.map(([name, value]) => [name, value] as [string, string]),
  ];
  try {
    const answer = await upstream.send(
      {
        host: address,
        port: url.port === "" ? (isTls ? 443 : 80) : Number(url.port),
        ...(isTls && { tls: { serverName: isIpLiteral(url.hostname) ? "" : url.hostname } }),
      },
      { method: "POST", path: `${url.pathname}${url.search}`, fields, body: Buffer.from(body) },
      {
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        requestTimeoutMs: ANSWER_TIMEOUT_MS,
        streamIdleTimeoutMs: ANSWER_TIMEOUT_MS,
        signal: () => signal,
        onEnd: () => {},
      },
    );
    const retryAfter = answer.fields.find(([name]) => name.toLowerCase() === "retry-after")?.[1];
    const retryAfterMs = parseRetryAfter(retryAfter, clock.now());
    return { status: answer.status, text: await beginningOf(answer.body), retryAfterMs };
  } catch (thrown) {
    if (!(thrown instanceof UpstreamFailure)) throw thrown;
    throw new Fault("unreachable", `no answer from ${url.host}: ${thrown.message}`);
  }
}

/** The beginning of a body up to the end of its first line, however it comes in pieces; the rest is not waited for. */
async function beginningOf(body: Uint8Array | ReadableStream<Uint8Array> | null): Promise<string> {
  if (body === null) return "";
  if (body instanceof Uint8Array) return textOf(body);
  const reader = body.getReader();
  let seen = Buffer.alloc(0);
  try {
    while (seen.length < SHOWN_CHARS && !/\S[^\n]*\n/.test(seen.toString("latin1"))) {
      const { value } = await reader.read();
      if (value === undefined) break;
      seen = Buffer.concat([seen, value.subarray(0, SHOWN_CHARS)]);
    }
  } catch {
    // What came until then is what it said.
  } finally {
    void reader.cancel().catch(() => {});
  }
  return textOf(seen);
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8").slice(0, SHOWN_CHARS);
}
