// Answers that take their time: lines of JSON that end with a result, and server-sent events.

import type { Fault } from "../core/fault.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { Progress } from "./operation.ts";

/** How often an idle stream says that it is there; a client gives up after missing several. */
export const HEARTBEAT_MS = 5_000;

/** Lines that a stalled client may leave unread before progress, and only progress, is dropped. */
const BACKLOG_LINES = 1_000;

export type ProgressLine =
  | { readonly type: "heartbeat" }
  | ({ readonly type: "progress" } & Progress)
  | { readonly type: "result"; readonly result: unknown }
  | { readonly type: "error"; readonly error: unknown };

export interface Streamed {
  readonly clock: Clock;
  /** Called once when the client has gone before the end; also ends the heartbeat. */
  readonly onGone: () => void;
  /** Called once when the stream has ended, however it did. */
  readonly onEnd: () => void;
  /** Why the caller may not go on, once that is so. */
  readonly refusal: () => Fault | undefined;
  /** Told of a source that broke: the client sees only that the connection does. */
  readonly onDefect: (error: unknown) => void;
}

/** Before the fault that ends a stream of events. */
export const FAULT_EVENT = "event: fault";

const encoder = new TextEncoder();
const line = (value: ProgressLine) => encoder.encode(`${JSON.stringify(value)}\n`);

/** Runs `work` while its progress is sent; `work` answers the last line and never rejects. */
export function progressStream(
  work: (report: (progress: Progress) => void) => Promise<ProgressLine>,
  { clock, onGone, onEnd }: Omit<Streamed, "onDefect" | "refusal">,
): ReadableStream<Uint8Array> {
  let stopHeartbeat = () => {};
  let open = true;
  function end(): void {
    open = false;
    stopHeartbeat();
    onEnd();
  }
  return new ReadableStream({
    start(controller) {
      const send = (value: ProgressLine) => open && controller.enqueue(line(value));
      const hasRoom = () => (controller.desiredSize ?? 0) > -BACKLOG_LINES;
      send({ type: "heartbeat" });
      stopHeartbeat = clock.every(HEARTBEAT_MS, () => hasRoom() && send({ type: "heartbeat" }));
      const report = (progress: Progress) => hasRoom() && send({ type: "progress", ...progress });
      void work(report).then((last) => {
        if (!open) return;
        send(last);
        controller.close();
        end();
      });
    },
    cancel() {
      end();
      onGone();
    },
  });
}

/** Sends each value of `source` as one event, taking the next only when the client has room for it. */
export function eventStream(
  source: AsyncIterable<unknown>,
  { clock, onGone, onEnd, onDefect, refusal }: Streamed,
): ReadableStream<Uint8Array> {
  const values = source[Symbol.asyncIterator]();
  let stopHeartbeat = () => {};
  let gone = false;
  function end(): void {
    stopHeartbeat();
    onEnd();
  }
  return new ReadableStream({
    start(controller) {
      const comment = encoder.encode(": heartbeat\n\n");
      controller.enqueue(comment);
      stopHeartbeat = clock.every(HEARTBEAT_MS, () => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(comment);
      });
    },
    async pull(controller) {
      try {
        const next = await values.next();
        // Whoever left while it waited has ended the controller too.
        if (gone) return;
        if (!next.done) return controller.enqueue(encoder.encode(`data: ${JSON.stringify(next.value)}\n\n`));
        const fault = refusal();
        if (fault)
          controller.enqueue(encoder.encode(`${FAULT_EVENT}\ndata: ${JSON.stringify(fault.toJson())}\n\n`));
        controller.close();
      } catch (error) {
        onDefect(error);
        if (gone) return;
        // Without a reason: Bun would print it to stderr, and nobody else ever sees it.
        controller.error(undefined);
      }
      end();
    },
    cancel() {
      gone = true;
      end();
      onGone();
      void Promise.resolve(values.return?.()).catch(onDefect);
    },
  });
}
