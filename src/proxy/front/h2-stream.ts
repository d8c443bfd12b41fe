// One request of HTTP/2 as a connection of HTTP/1.1 that has no socket: written as its bytes, and its answer read from bytes again.
import type { Socket } from "bun";
import {
  AnswerHead,
  endOfAnswerHead,
  type Framing,
  NO_ANSWER_RULES,
  readAnswerHead,
} from "../../core/http1/answer-head.ts";
import { TEXT, TOKEN } from "../../core/http1/bytes.ts";
import { ChunkWalker } from "../../core/http1/chunks.ts";
import { type AnswerName, ownResponse } from "../answers.ts";
import type { ClientConnection } from "./client-connection.ts";

/** What a stream holds of an answer at most: the rest waits where it comes from. */
const HELD_MOST_BYTES = 131_072;
const MOST_FIELDS = 512;
/** Of the connection, or of framing that is another here (RFC 9113 section 8.2.2). */
const NOT_OF_H2 = new Set([
  "connection",
  "host",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

/** As much of a socket as a connection uses. */
export class StreamSocket {
  readonly remoteAddress: string;
  readonly localAddress = "127.0.0.1";
  /** Set by who begins the connection on it. */
  data: ClientConnection | undefined;
  readonly #answered = Promise.withResolvers<Response>();
  readonly #isHead: boolean;
  readonly #head = new AnswerHead();
  #bytes: Buffer | undefined;
  #framing: Framing | undefined;
  #left = 0;
  readonly #chunks = new ChunkWalker();
  /** Of the answer's body: what has come and not gone on yet. */
  readonly #pieces: Uint8Array[] = [];
  heldBytes = 0;
  /** Of those what has gone on. */
  takenBytes = 0;
  #hasBrokenOff = false;
  #more = Promise.withResolvers<void>();
  #isRefusing = false;
  #isOver = false;
  readonly #done = Promise.withResolvers<void>();
  #paused: PromiseWithResolvers<void> | undefined;

  constructor(peer: string, isHead: boolean) {
    this.remoteAddress = peer;
    this.#isHead = isHead;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Resolves while more of the request may be fed. */
  get ready(): Promise<void> | undefined {
    return this.#paused?.promise;
  }

  /** Never rejects: an answer that never begins is a 502. */
  get answer(): Promise<Response> {
    return this.#answered.promise;
  }

  /** Resolves when its visitor has been given the last of its answer, or wants no more of it. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  write(bytes: Buffer, from = 0, length = bytes.length - from): number {
    if (this.#isOver) return length;
    if (this.#framing === undefined) {
      this.#readHead(bytes.subarray(from, from + length));
      return length;
    }
    if (this.heldBytes >= HELD_MOST_BYTES) {
      this.#isRefusing = true;
      return 0;
    }
    const taken = Math.min(length, HELD_MOST_BYTES);
    this.#readBody(bytes, from, from + taken);
    if (taken < length) this.#isRefusing = true;
    return taken;
  }

  pause(): void {
    this.#paused ??= Promise.withResolvers();
  }

  resume(): void {
    this.#paused?.resolve();
    this.#paused = undefined;
  }

  shutdown(): void {
    this.end();
  }

  /** Nothing more comes: an answer without a length is whole with it. */
  end(): void {
    if (this.#framing === "close") this.#finish();
    else this.terminate();
  }

  /** The answer breaks off. */
  terminate(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.resume();
    this.#hasBrokenOff = true;
    this.#more.resolve();
    if (this.#framing === undefined) this.#answerAtOnce(ownResponse("bad_gateway"));
    this.data?.closed(true);
  }

  #readHead(bytes: Buffer): void {
    const all = this.#bytes === undefined ? Buffer.from(bytes) : Buffer.concat([this.#bytes, bytes]);
    this.#bytes = all;
    const end = endOfAnswerHead(all, 0);
    if (end < 0) return;
    readAnswerHead(this.#head, all, end, MOST_FIELDS, NO_ANSWER_RULES);
    const rest = all.subarray(end);
    this.#bytes = undefined;
    // What goes before an answer has no place in a Response.
    if (this.#head.status < 200) {
      if (rest.length > 0) this.#readHead(rest);
      return;
    }
    this.#begin();
    if (rest.length > 0) this.#readBody(rest, 0, rest.length);
  }

  #begin(): void {
    const { status } = this.#head;
    const framing = this.#head.framing(this.#isHead);
    const headers = new Headers();
    for (const [name, value] of this.#head.pairs()) if (!NOT_OF_H2.has(name)) headers.append(name, value);
    this.#framing = framing;
    this.#left = this.#head.contentLength;
    if (framing === "none" || (framing === "length" && this.#left === 0)) {
      this.#answerAtOnce(new Response(null, { status, headers }));
      this.#finish();
      return;
    }
    this.#answered.resolve(new Response(this.#body(), { status, headers }));
  }

  /** With an answer that nothing follows. */
  #answerAtOnce(response: Response): void {
    this.#answered.resolve(response);
    this.#done.resolve();
  }

  /** Without a turn of the event loop between pieces Bun's server crawls (1.4.5: 10 MB in 6 s). */
  async *#body(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        for (let piece = this.#pieces.shift(); piece !== undefined; piece = this.#pieces.shift()) {
          yield piece;
          await new Promise((turn) => setImmediate(turn));
          this.heldBytes -= piece.length;
          this.takenBytes += piece.length;
          this.#askForMore();
        }
        if (this.#hasBrokenOff) throw new Error("the answer broke off");
        if (this.#isOver) return;
        await this.#more.promise;
        this.#more = Promise.withResolvers();
      }
    } finally {
      this.left();
    }
  }

  #askForMore(): void {
    if (!this.#isRefusing || this.#isOver || this.heldBytes >= HELD_MOST_BYTES) return;
    this.#isRefusing = false;
    this.data?.drained();
  }

  #readBody(bytes: Buffer, from: number, to: number): void {
    const push = (start: number, end: number) => {
      // The bytes are whose they came from, and may be written to again.
      if (end === start) return;
      this.#pieces.push(new Uint8Array(bytes.subarray(start, end)));
      this.heldBytes += end - start;
      this.#more.resolve();
    };
    if (this.#framing === "chunked") {
      this.#chunks.walk(bytes, from, to, push);
      if (this.#chunks.done) this.#finish();
    } else if (this.#framing === "close") push(from, to);
    else {
      const end = Math.min(to, from + this.#left);
      push(from, end);
      this.#left -= end - from;
      if (this.#left === 0) this.#finish();
    }
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.resume();
    this.#more.resolve();
    const { data } = this;
    // Whoever writes the last byte is still at it.
    queueMicrotask(() => data?.closed(false));
  }

  /** The visitor wants no more of it. */
  left(): void {
    this.#leave("bad_gateway");
    this.#done.resolve();
  }

  /** What was asked cannot be asked in HTTP/1.1. */
  refuse(): void {
    this.#leave("bad_request");
  }

  #leave(name: AnswerName): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.resume();
    this.data?.closed(true);
    this.#answerAtOnce(ownResponse(name));
  }
}

/**
 * Writes a request as HTTP/1.1 to the connection that has begun on `socket`, at the pace at which it is taken. What could be read in
 * another way there than here is refused (RFC 9113 section 10.3): 400.
 */
export async function feed(socket: StreamSocket, request: Request): Promise<void> {
  const { body, headers } = request;
  const announced = headers.get("content-length");
  const isChunked = body !== null && announced === null;
  const client = socket.data as ClientConnection;
  client.data(Buffer.from(headOf(request, isChunked), "latin1"));
  if (body === null) return;
  let left = announced === null ? Number.POSITIVE_INFINITY : Number(announced);
  for await (const chunk of body) {
    if (socket.isOver) return;
    left -= chunk.length;
    // More than was announced would be read as another request.
    if (left < 0) break;
    if (isChunked) client.data(Buffer.from(`${chunk.length.toString(16)}\r\n`, "latin1"));
    client.data(Buffer.from(chunk));
    if (isChunked) client.data(CRLF);
    await socket.ready;
  }
  if (socket.isOver) return;
  if (isChunked) client.data(LAST_CHUNK);
  else if (left !== 0) socket.terminate();
}

/** Path and query as they came: the URL is never parsed. */
function headOf({ method, url, headers }: Request, isChunked: boolean): string {
  const start = url.indexOf("//") + 2;
  const slash = url.indexOf("/", start);
  const authority = url.slice(start, slash < 0 ? undefined : slash);
  const host = headers.get("host") ?? authority;
  if (host.toLowerCase() !== authority.toLowerCase()) throw new Error("two hosts");
  let head = `${method} ${slash < 0 ? "/" : url.slice(slash)} HTTP/1.1\r\nHost: ${host}\r\n`;
  headers.forEach((value, name) => {
    if (NOT_OF_H2.has(name)) return;
    if (!isToken(name) || !isText(value)) throw new Error("a field that HTTP/1.1 cannot have");
    head += `${name}: ${value}\r\n`;
  });
  return `${head}${isChunked ? "Transfer-Encoding: chunked\r\n" : ""}\r\n`;
}

const CRLF = Buffer.from("\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

function isToken(name: string): boolean {
  for (let i = 0; i < name.length; i++) if ((TOKEN[name.charCodeAt(i)] ?? 0) === 0) return false;
  return name.length > 0;
}

function isText(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (TEXT[value.charCodeAt(i)] !== 1) return false;
  return true;
}

/** The type that connections know. */
export function asSocket(socket: StreamSocket): Socket<ClientConnection> {
  return socket as unknown as Socket<ClientConnection>;
}
