// A client under test, and shorthands for what every test of it sends and reads.
import type { Clock } from "../../../src/platform/time/clock.ts";
import { systemClock } from "../../../src/platform/time/clock.ts";
import type {
  Origin,
  SendOptions,
  UpstreamFailure,
  UpstreamRequest,
  UpstreamResponse,
} from "../../../src/proxy/http-client.ts";
import type { Limits } from "../../../src/proxy/upstream/limits.ts";
import { createUpstream, type PooledUpstream } from "../../../src/proxy/upstream/upstream.ts";

export interface Sent {
  readonly response: Promise<UpstreamResponse>;
  /** Every call of `onEnd`, with its failure. */
  readonly ends: (UpstreamFailure | undefined)[];
  abort(): void;
}

export interface Client extends AsyncDisposable {
  readonly upstream: PooledUpstream;
  send(origin: Origin, request?: Partial<UpstreamRequest>, options?: Partial<SendOptions>): Sent;
}

export function createClient({
  clock = systemClock,
  limits = {},
}: {
  clock?: Clock;
  limits?: Partial<Limits>;
} = {}): Client {
  const upstream = createUpstream({ clock, limits });
  return {
    upstream,
    send(origin, request, options) {
      const ends: (UpstreamFailure | undefined)[] = [];
      const controller = new AbortController();
      const response = upstream.send(
        origin,
        { method: "GET", path: "/", fields: [["Host", "a.test"]], body: null, ...request },
        {
          connectTimeoutMs: 2_000,
          requestTimeoutMs: 2_000,
          streamIdleTimeoutMs: 2_000,
          signal: () => controller.signal,
          onEnd: (failure) => ends.push(failure),
          ...options,
        },
      );
      // A test that awaits it later still sees the rejection; until then it is nobody's surprise.
      response.catch(() => {});
      return { response, ends, abort: () => controller.abort() };
    },
    [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose](),
  };
}

/** The whole body as text (latin1); null when there is none. */
export async function text({ body }: UpstreamResponse): Promise<string | null> {
  if (body === null) return null;
  if (body instanceof Uint8Array) return Buffer.from(body).toString("latin1");
  let read = "";
  // Each piece is used before the next one is asked for: then its memory may be gone.
  for await (const piece of body) read += Buffer.from(piece).toString("latin1");
  return read;
}

/** What the promise was rejected with; throws when it was not. */
export async function failureOf(response: Promise<unknown>): Promise<UpstreamFailure> {
  try {
    await response;
  } catch (thrown) {
    return thrown as UpstreamFailure;
  }
  throw new Error("it did not fail");
}

/** A whole small answer. */
export function ok(body: string, fields = ""): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n${fields}\r\n${body}`;
}

/** A stream that gives the pieces and ends, or breaks off with `error`. */
export function streamOf(pieces: readonly string[], error?: Error): ReadableStream<Uint8Array> {
  const left = [...pieces];
  return new ReadableStream({
    pull(controller) {
      const next = left.shift();
      if (next !== undefined) controller.enqueue(new TextEncoder().encode(next));
      else if (error !== undefined) controller.error(error);
      else controller.close();
    },
  });
}
