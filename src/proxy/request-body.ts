// The body of a request on its way to a target: held whole when it is small and came at once, streamed otherwise.
import type { StreamBody } from "./exchange.ts";

export type OutgoingBody = Uint8Array | StreamBody | null;

/** Larger ones are never held for a second try. */
const HELD_MOST_BYTES = 65_536;

/** Says of a stream that was ended by the limit that it was, and not broken off by the visitor. */
export class BodyTooLarge extends Error {
  override readonly name = "BodyTooLarge";
}

/** The announced length in bytes; undefined when there is none. Bun has refused values that are no number. */
export function announcedLength(headers: Headers): number | undefined {
  const text = headers.get("content-length");
  return text === null ? undefined : Number(text);
}

/** Methods whose bodies Bun.serve drops. */
export function hasNoBody(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

/** Whether a request announces a body that Bun.serve does not hand out. */
export function hasLostBody({ method, headers }: Request, length: number | undefined): boolean {
  return hasNoBody(method) && (length === undefined ? headers.has("transfer-encoding") : length > 0);
}

/**
 * The body to send. A small one is bytes when its first piece is all of it, and can then be sent again; what comes
 * in pieces streams, so that nothing waits for a slow upload. Rejects when the visitor leaves.
 */
export async function readBody(
  request: Request,
  maxBytes: number,
  onTooLarge: () => void,
): Promise<OutgoingBody> {
  const stream = request.body;
  if (stream === null) return null;
  const length = announcedLength(request.headers);
  if (length === undefined) {
    return { stream: maxBytes > 0 ? limited(stream, maxBytes, onTooLarge) : stream, length };
  }
  if (length > HELD_MOST_BYTES) return { stream, length };
  const reader: Reader = stream.getReader();
  const { value: first = new Uint8Array(0), done } = await reader.read();
  if (done || first.byteLength === length) {
    reader.releaseLock();
    return first;
  }
  return { stream: resumed(reader, first), length };
}

interface Reader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(reason: unknown): Promise<void>;
  releaseLock(): void;
}

function resumed(reader: Reader, first: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => controller.enqueue(first),
    async pull(controller) {
      const next = await reader.read();
      if (next.value === undefined) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

function limited(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  onTooLarge: () => void,
): ReadableStream<Uint8Array> {
  const reader: Reader = stream.getReader();
  let left = maxBytes;
  return new ReadableStream({
    async pull(controller) {
      const next = await reader.read();
      if (next.value === undefined) return controller.close();
      left -= next.value.byteLength;
      if (left >= 0) return controller.enqueue(next.value);
      onTooLarge();
      controller.error(new BodyTooLarge("the body is larger than the route allows"));
      void reader.cancel(undefined).catch(() => {});
    },
    cancel: (reason) => reader.cancel(reason),
  });
}
