// The typed client of an admin API: one method per operation of its contract.
import { Fault } from "../core/fault.ts";
import { quote } from "../core/quote.ts";
import { systemClock } from "../platform/time/clock.ts";
import { causeOf, createDial, type Dial, type DialOptions } from "./dial.ts";
import {
  type Answer,
  type Contract,
  MEDIA_TYPES,
  type Operation,
  type Progress,
  type Sent,
} from "./operation.ts";
import { FAULT_EVENT, HEARTBEAT_MS, type ProgressLine } from "./stream.ts";

interface CallOptions {
  /** Gives up waiting; the server is told by the closed connection. */
  readonly signal?: AbortSignal | undefined;
  /** For `progress` operations: called for each sign of life, in order. */
  readonly onProgress?: (progress: Progress) => void;
}

type Arguments<O extends Operation> =
  Record<never, never> extends Sent<O>
    ? [sent?: Sent<O>, options?: CallOptions]
    : [sent: Sent<O>, options?: CallOptions];

/**
 * Every method rejects with a Fault and nothing else, but for the reason of a signal that fired. For `events`, which
 * have no end of their own, the signal is a normal one.
 */
export type Client<C extends Contract> = {
  readonly [K in keyof C]: C[K]["transport"] extends "events"
    ? (...args: Arguments<C[K]>) => AsyncIterable<Answer<C[K]>>
    : (...args: Arguments<C[K]>) => Promise<Answer<C[K]>>;
};

interface Parts {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly upload?: ReadableStream<Uint8Array>;
}

const ANSWER_TIMEOUT_MS = 30_000;
/** Three heartbeats missed: the server is gone, though the connection does not say so. */
const SILENCE_MS = 3 * HEARTBEAT_MS + 1_000;

/** What a client has to know of an operation: all but its shapes, which its types check. */
export type Way = Pick<Operation, "method" | "path" | "transport" | "timeoutMs">;

/** How a client reaches its server, and what it says when nobody answers. */
export interface Line extends Pick<DialOptions, "unreachable" | "clock"> {
  readonly dial: Dial;
}

export function createClient<const C extends Contract>(contract: C, options: DialOptions): Client<C> {
  return clientOver<C>(contract, { ...options, dial: createDial(options) });
}

export function clientOver<C extends Contract>(ways: Readonly<Record<keyof C, Way>>, line: Line): Client<C> {
  const methods = Object.entries<Way>(ways).map(([name, way]) => {
    const { method, path, transport = "json", timeoutMs = ANSWER_TIMEOUT_MS } = way;
    const call = (parts: Parts = {}, { signal, onProgress }: CallOptions = {}) => {
      const patience = createPatience(line, signal);
      const accept = MEDIA_TYPES[transport];
      const open = async () =>
        line.dial({
          method,
          path: pathOf(path, parts),
          body: parts.body,
          upload: parts.upload,
          accept,
          timeoutMs,
          signal,
        });
      switch (transport) {
        case "events":
          return readEvents(open, patience, signal);
        case "progress":
          return open().then((response) => readProgress(response, patience, onProgress));
        case "text":
          return open().then((response) => patience(response.text()));
        case "json":
          return open().then((response) => patience(response.json()));
      }
    };
    return [name, call];
  });
  return Object.fromEntries(methods) as Client<C>;
}

function pathOf(path: string, { params = {}, query = {} }: Parts): string {
  const filled = path.replace(/:([a-zA-Z_]+)/g, (_, name: string) => {
    const value = params[name] ?? "";
    // A URL parser takes these away even when they are percent-encoded, and another path would remain.
    if (/^\.{0,2}$/.test(value)) throw new Fault("usage", `${quote(value)} is not a valid ${name}`);
    return encodeURIComponent(value);
  });
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined) search.set(key, String(value));
  }
  return search.size > 0 ? `${filled}?${search}` : filled;
}

/** Waits for a piece of an answer, but not for longer than the server may be silent; every failure becomes a Fault. */
type Patience = <T>(reading: Promise<T>) => Promise<T>;

function createPatience({ unreachable, clock = systemClock }: Line, signal?: AbortSignal): Patience {
  return async (reading) => {
    const silence = Promise.withResolvers<never>();
    const cancel = clock.after(SILENCE_MS, () => silence.reject(unreachable("the server fell silent")));
    try {
      return await Promise.race([reading, silence.promise]);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw error instanceof Fault ? error : unreachable(causeOf(error));
    } finally {
      cancel();
    }
  };
}

async function readProgress(
  response: Response,
  patience: Patience,
  onProgress: CallOptions["onProgress"],
): Promise<unknown> {
  for await (const text of readLines(response, patience)) {
    const line = JSON.parse(text) as ProgressLine;
    if (line.type === "progress") onProgress?.({ step: line.step, message: line.message });
    else if (line.type === "result") return line.result;
    else if (line.type === "error") {
      throw Fault.fromJson(line) ?? new Fault("internal", "the server failed without a reason");
    }
  }
  return patience(Promise.reject(new Error("the connection broke before the result")));
}

async function* readEvents(open: () => Promise<Response>, patience: Patience, signal?: AbortSignal) {
  let isFault = false;
  try {
    for await (const text of readLines(await open(), patience)) {
      isFault ||= text === FAULT_EVENT;
      if (!text.startsWith("data: ")) continue;
      const value: unknown = JSON.parse(text.slice("data: ".length));
      if (isFault) throw Fault.fromJson(value) ?? new Fault("internal", "the server ended the stream");
      yield value;
    }
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}

/** The non-empty lines of a stream that is never silent for longer than its heartbeats allow. */
async function* readLines(response: Response, patience: Patience): AsyncGenerator<string> {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await patience(reader.read());
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop() ?? "";
      for (const text of lines) if (text !== "") yield text;
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}
