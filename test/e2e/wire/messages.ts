// HTTP/1.1 messages as text, one character a byte, read slowly and obviously: what the tables of the wire compare with.

export interface Message {
  /** The request line or the status line. */
  readonly line: string;
  /** `Name: value`, blanks around the value taken off, in order and in their case. */
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
  /** Answers before the last one of this request: status lines and their fields. */
  readonly interim: readonly Pick<Message, "line" | "fields">[];
}

export interface Read {
  readonly messages: readonly Message[];
  /** What has come of a message that is not whole. */
  readonly rest: string;
}

export const nameOf = (field: string): string => field.slice(0, field.indexOf(":")).toLowerCase();

export function valuesOf(fields: readonly string[], name: string): string[] {
  return fields.filter((field) => nameOf(field) === name).map((field) => field.slice(field.indexOf(":") + 2));
}

function readHead(text: string): { line: string; fields: string[] } {
  const [line = "", ...lines] = text.split("\r\n");
  const fields = lines.map((each) => {
    const colon = each.indexOf(":");
    if (colon < 1) throw new Error(`no field: ${JSON.stringify(each)}`);
    return `${each.slice(0, colon)}: ${each.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "")}`;
  });
  return { line, fields };
}

interface Body {
  readonly body: string;
  readonly trailers: readonly string[];
  readonly end: number;
}

/** Chunks and trailers from `at` on; undefined while they are not whole. */
function readChunks(text: string, at: number): Body | undefined {
  let body = "";
  for (let from = at; ; ) {
    const lineEnd = text.indexOf("\r\n", from);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(/^[0-9a-f]+/i.exec(text.slice(from, lineEnd))?.[0] ?? "", 16);
    if (Number.isNaN(size)) throw new Error(`no chunk: ${JSON.stringify(text.slice(from, lineEnd))}`);
    from = lineEnd + 2;
    if (size === 0) {
      if (text.startsWith("\r\n", from)) return { body, trailers: [], end: from + 2 };
      const end = text.indexOf("\r\n\r\n", from);
      if (end < 0) return undefined;
      return { body, trailers: readHead(`\r\n${text.slice(from, end)}`).fields, end: end + 4 };
    }
    if (text.length < from + size + 2) return undefined;
    if (!text.startsWith("\r\n", from + size)) throw new Error("a chunk does not end where it should");
    body += text.slice(from, from + size);
    from += size + 2;
  }
}

function readSized(text: string, at: number, length: number): Body | undefined {
  if (text.length < at + length) return undefined;
  return { body: text.slice(at, at + length), trailers: [], end: at + length };
}

const isChunked = (fields: readonly string[]) =>
  /chunked$/i.test(valuesOf(fields, "transfer-encoding").at(-1) ?? "");
const lengthOf = (fields: readonly string[]) => Number(valuesOf(fields, "content-length")[0] ?? 0);

/** All whole requests that a connection has brought. */
export function readRequests(text: string): Read {
  const messages: Message[] = [];
  let at = 0;
  for (;;) {
    const headEnd = text.indexOf("\r\n\r\n", at);
    if (headEnd < 0) break;
    const head = readHead(text.slice(at, headEnd));
    const from = headEnd + 4;
    const body = isChunked(head.fields)
      ? readChunks(text, from)
      : readSized(text, from, lengthOf(head.fields));
    if (body === undefined) break;
    messages.push({ ...head, body: body.body, trailers: body.trailers, interim: [] });
    at = body.end;
  }
  return { messages, rest: text.slice(at) };
}

/** All whole answers to requests of these methods; `isOver`: no more will come, which ends a body without a length. */
export function readAnswers(text: string, methods: readonly string[], isOver: boolean): Read {
  const messages: Message[] = [];
  let interim: Pick<Message, "line" | "fields">[] = [];
  let at = 0;
  for (;;) {
    const headEnd = text.indexOf("\r\n\r\n", at);
    if (headEnd < 0) break;
    const head = readHead(text.slice(at, headEnd));
    const status = Number(head.line.split(" ")[1]);
    const from = headEnd + 4;
    if (status < 200 && status !== 101) {
      interim.push(head);
      at = from;
      continue;
    }
    const body = readAnswerBody(text, from, status, methods[messages.length] ?? "GET", head.fields, isOver);
    if (body === undefined) break;
    messages.push({ ...head, body: body.body, trailers: body.trailers, interim });
    interim = [];
    at = body.end;
    if (status === 101) break;
  }
  return { messages, rest: text.slice(at) };
}

function readAnswerBody(
  text: string,
  from: number,
  status: number,
  method: string,
  fields: readonly string[],
  isOver: boolean,
): Body | undefined {
  if (method === "HEAD" || status === 204 || status === 304 || status === 101)
    return { body: "", trailers: [], end: from };
  if (isChunked(fields)) return readChunks(text, from);
  if (valuesOf(fields, "content-length").length > 0) return readSized(text, from, lengthOf(fields));
  return isOver ? { body: text.slice(from), trailers: [], end: text.length } : undefined;
}
