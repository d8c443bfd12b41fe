// How one entry of an admin API's contract is written: the table that the server is built from and the client is typed by.
import type { input, output, ZodType } from "zod";

/**
 * How an answer travels: `json` is one document; `text` is plain text; `progress` is lines of JSON that end with the
 * result, for work that takes its time; `events` is a server-sent event stream of `answer`s without an end.
 */
export type Transport = "json" | "text" | "progress" | "events";

/** The media type of each transport: what the server sends, and what the client takes for an answer of ours. */
export const MEDIA_TYPES: Readonly<Record<Transport, string>> = {
  json: "application/json",
  text: "text/plain",
  progress: "application/x-ndjson",
  events: "text/event-stream",
};

export interface Operation {
  readonly summary: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** `/api/instances/:id/weight`; each `:name` is one path segment. */
  readonly path: `/${string}`;
  /** The least scope that may call; of those a token has, `admin` reaches further than `deploy`, and that than `read`. */
  readonly scope: "open" | "read" | "deploy" | "admin";
  /** A tenant's token may call it too, and reaches only what is its own. */
  readonly tenants?: true;
  readonly transport?: Transport;
  /** Without one, params are the path's names as plain strings. */
  readonly params?: ZodType;
  /** Query values arrive as strings: coerce them. Use strict objects, so that a mistyped key is an error. */
  readonly query?: ZodType;
  readonly body?: ZodType;
  /** The most that it may have; a megabyte unless given. */
  readonly bodyMaxBytes?: number;
  /** The body is bytes that are read as they come, and not JSON: how many, and how long they may take, is the handler's to say. */
  readonly upload?: true;
  /** The server sends exactly these keys; of `events`, one event. Ignored for `text`. */
  readonly answer: ZodType;
  /** How long a client waits for the head of the answer, in milliseconds; 30 s unless given. */
  readonly timeoutMs?: number;
}

export type Contract = Readonly<Record<string, Operation>>;

/** Names that keys of a query or body had before, each with the one that it has now: still taken, and shown nowhere. */
export type OldNames = Readonly<Record<string, string>>;

/** One sign of life of a `progress` operation: `step` is stable and for programs, `message` is for people. */
export interface Progress {
  readonly step: string;
  readonly message: string;
}

/** Keeps the literal types of a contract, so that both of its ends are typed by it. */
export function defineContract<const C extends Contract>(contract: C): C {
  return contract;
}

export type PathParams<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? { readonly [K in Name]: string } & PathParams<`/${Rest}`>
  : Path extends `${string}:${infer Name}`
    ? { readonly [K in Name]: string }
    : unknown;

/** What a handler is given of the request: everything checked. */
export interface Received<O extends Operation> {
  readonly params: O["params"] extends ZodType ? output<O["params"]> : PathParams<O["path"]>;
  readonly query: O["query"] extends ZodType ? output<O["query"]> : undefined;
  readonly body: O["body"] extends ZodType ? output<O["body"]> : undefined;
  readonly upload: O["upload"] extends true ? ReadableStream<Uint8Array> : undefined;
}

/** What a client has to give: only the parts that the operation has. */
export type Sent<O extends Operation> = (O["path"] extends `${string}:${string}`
  ? { readonly params: PathParams<O["path"]> }
  : unknown) &
  (O["query"] extends ZodType
    ? Record<never, never> extends input<O["query"]>
      ? { readonly query?: input<O["query"]> }
      : { readonly query: input<O["query"]> }
    : unknown) &
  (O["body"] extends ZodType ? { readonly body: input<O["body"]> } : unknown) &
  (O["upload"] extends true ? { readonly upload: ReadableStream<Uint8Array> } : unknown);

export type Answer<O extends Operation> = O["transport"] extends "text" ? string : output<O["answer"]>;

/** What a handler may return for an answer: the schema's input, so that defaults and unknown keys are its affair. */
export type Answerable<O extends Operation> = O["transport"] extends "text" ? string : input<O["answer"]>;
