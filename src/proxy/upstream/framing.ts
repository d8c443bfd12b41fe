// What a head says about its connection and body (RFC 9112 sections 6 and 9), and which fields go on to the visitor.
import type { Fields } from "../http-client.ts";
import { Garbage, type Head } from "./head.ts";

/** How the end of a body is found. */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "close" };

export interface Framed {
  readonly framing: Framing;
  /** The fields for the visitor: no hop-by-hop ones, none that `Connection` names, at most one Content-Length. */
  readonly fields: Fields;
  /** Whether another request may follow on this connection. */
  readonly persistent: boolean;
  /** What `Keep-Alive: timeout=` announces, in milliseconds. */
  readonly keepAliveMs: number | undefined;
  readonly isEventStream: boolean;
}

type Field = Fields[number];

const NONE: Framing = { kind: "none" };
const CHUNKED: Framing = { kind: "chunked" };
const CLOSE: Framing = { kind: "close" };
/** At most 15 digits, so that every length is an exact integer. */
const LENGTH = /^[0-9]{1,15}$/;
const EVENT_STREAM = /^text\/event-stream(?![\w.+-])/i;
const KEEP_ALIVE_TIMEOUT = /(?:^|[,;\s])timeout=([0-9]{1,6})(?:$|[,;\s])/i;

/** What the fields that matter to the connection said. */
interface Said {
  length: number | undefined;
  chunked: boolean;
  /** The options of all Connection fields, lower case. */
  options: string[];
  keepAliveMs: number | undefined;
  isEventStream: boolean;
}

/** Framing of the final answer to a `method` request. Throws Garbage where two framings contradict each other (section 6.3). */
export function frame(head: Head, method: string): Framed {
  const said: Said = {
    length: undefined,
    chunked: false,
    options: [],
    keepAliveMs: undefined,
    isEventStream: false,
  };
  const kept: Field[] = [];
  for (const field of head.fields) {
    const goesOn = note(said, field);
    if (goesOn !== undefined) kept.push(goesOn);
  }
  const { chunked, length, options, keepAliveMs, isEventStream } = said;
  if (chunked && length !== undefined) throw new Garbage("both Content-Length and Transfer-Encoding");
  if (chunked && head.minor === 0) throw new Garbage("Transfer-Encoding in an HTTP/1.0 answer");
  const framing = framingOf(head.status, method, chunked, length);
  const persistent =
    framing !== CLOSE && !options.includes("close") && (head.minor === 1 || options.includes("keep-alive"));
  return { framing, fields: without(kept, options), persistent, keepAliveMs, isEventStream };
}

/** Takes in what the field says, and returns it when it goes on to the visitor. */
function note(said: Said, field: Field): Field | undefined {
  const [name, value] = field;
  switch (name) {
    case "content-length": {
      const before = said.length;
      said.length = parseLength(value);
      if (before === undefined) return [name, String(said.length)];
      if (before !== said.length) throw new Garbage("two Content-Length fields differ");
      return undefined;
    }
    case "transfer-encoding":
      if (said.chunked || value.toLowerCase() !== "chunked")
        throw new Garbage("an unknown Transfer-Encoding");
      said.chunked = true;
      return undefined;
    case "connection":
      if (value === "keep-alive" || value === "close") said.options.push(value);
      else for (const option of value.toLowerCase().split(",")) said.options.push(option.trim());
      return undefined;
    case "keep-alive":
      said.keepAliveMs = parseTimeout(value);
      return undefined;
    case "content-type":
      said.isEventStream = EVENT_STREAM.test(value);
      return field;
    case "te":
    case "trailer":
    case "upgrade":
    case "proxy-connection":
    case "proxy-authenticate":
      return undefined;
    default:
      return field;
  }
}

function framingOf(status: number, method: string, chunked: boolean, length: number | undefined): Framing {
  if (method === "HEAD" || status === 204 || status === 304) return NONE;
  if (chunked) return CHUNKED;
  return length === undefined ? CLOSE : { kind: "length", bytes: length };
}

/** `5`, and also `5, 5`, which section 6.3 lets a recipient read as one. */
function parseLength(value: string): number {
  if (LENGTH.test(value)) return Number(value);
  const [first, ...others] = value.split(",").map((part) => part.trim());
  if (first === undefined || others.length === 0 || !LENGTH.test(first)) {
    throw new Garbage("a malformed Content-Length");
  }
  if (others.some((other) => other !== first)) throw new Garbage("two Content-Length values differ");
  return Number(first);
}

function parseTimeout(value: string): number | undefined {
  const secs = KEEP_ALIVE_TIMEOUT.exec(value)?.[1];
  return secs === undefined ? undefined : Number(secs) * 1000;
}

/** The fields that `Connection` does not name (RFC 9110 section 7.6.1); what frames the body is not its to name. */
function without(fields: Fields, options: readonly string[]): Fields {
  const named = options.filter(
    (name) => name !== "close" && name !== "keep-alive" && name !== "content-length",
  );
  if (named.length === 0) return fields;
  return fields.filter(([name]) => !named.includes(name));
}
