// What must be refused: each row is a request that two programs could read differently, or that is none, with one hidden behind it.
import { HOST } from "./proxied.ts";

export interface HostileRow {
  readonly kind: "framing" | "host" | "target" | "line" | "field" | "chunk" | "upgrade";
  readonly what: string;
  readonly send: string;
  /** The statuses that say so; a connection that is closed without an answer is no refusal that a client understands. */
  readonly statuses: readonly number[];
  /** Whether the visible request may reach the origin before the refusal: its head was fine, its body was not. */
  readonly begins: boolean;
  /** Whether one can no longer tell where the next request begins, so that the connection has to end. */
  readonly ends: boolean;
}

export const HIDDEN = "/hidden";
const SMUGGLED = `GET ${HIDDEN} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;

function head(
  kind: HostileRow["kind"],
  what: string,
  line: string,
  fields: readonly string[],
  body = SMUGGLED,
  statuses: readonly number[] = [400],
): HostileRow {
  const send = `${line}\r\n${fields.map((field) => `${field}\r\n`).join("")}\r\n${body}`;
  return { kind, what, send, statuses, begins: false, ends: kind !== "host" };
}

const OURS = `Host: ${HOST}`;
const POST = "POST /v HTTP/1.1";
const NOT_UNDERSTOOD = [400, 501];

const framing = (what: string, fields: readonly string[], body = SMUGGLED, statuses = NOT_UNDERSTOOD) =>
  head("framing", what, POST, [OURS, ...fields], body, statuses);

/** A length that some would read as 5, and a coding that some would not know. */
const LENGTHS = [
  "+5",
  "-5",
  "5 5",
  "5,5",
  "5, 6",
  "5, 5",
  "0x5",
  "5\0",
  "5a",
  "a5",
  "",
  ",5",
  "5;",
  "5.0",
  "1e1",
  '"5"',
  "\v5",
  "٥",
].map((value) =>
  framing(
    `Content-Length: ${JSON.stringify(value)}`,
    [`Content-Length: ${Buffer.from(value).toString("latin1")}`],
    `hello${SMUGGLED}`,
  ),
);

const CODINGS = [
  "xchunked",
  "chunkedx",
  "chunked, identity",
  "identity",
  "identity, chunked",
  "gzip, chunked",
  "gzip",
  "chunked, chunked",
  "chunked,",
  ", chunked",
  "chunked;q=1",
  "chunked foo",
  "\vchunked",
  "chunked\v",
  '"chunked"',
  "\0chunked",
  "",
  "chunked\x7f",
].map((value) =>
  framing(
    `Transfer-Encoding: ${JSON.stringify(value)}`,
    [`Transfer-Encoding: ${value}`],
    `0\r\n\r\n${SMUGGLED}`,
  ),
);

const FRAMING = [
  ...LENGTHS,
  ...CODINGS,
  framing("a length and chunks", ["Content-Length: 5", "Transfer-Encoding: chunked"], `0\r\n\r\n${SMUGGLED}`),
  framing("chunks and a length", ["Transfer-Encoding: chunked", "Content-Length: 5"], `0\r\n\r\n${SMUGGLED}`),
  framing(
    "chunks and a length of 0",
    ["Transfer-Encoding: chunked", "Content-Length: 0"],
    `0\r\n\r\n${SMUGGLED}`,
  ),
  framing(
    "a length and a coding of capitals",
    ["content-length: 5", "TRANSFER-ENCODING: CHUNKED"],
    `0\r\n\r\n${SMUGGLED}`,
  ),
  framing("two lengths that differ", ["Content-Length: 5", "Content-Length: 6"], `hello${SMUGGLED}`),
  framing("two lengths that are the same", ["Content-Length: 5", "Content-Length: 5"], `hello${SMUGGLED}`),
  framing(
    "two codings",
    ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    `0\r\n\r\n${SMUGGLED}`,
  ),
  framing(
    "two codings that differ",
    ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    `0\r\n\r\n${SMUGGLED}`,
  ),
  framing("a blank before the colon of a length", ["Content-Length : 5"], `hello${SMUGGLED}`),
  framing("a tab before the colon of a length", ["Content-Length\t: 5"], `hello${SMUGGLED}`),
  framing("a blank before the colon of a coding", ["Transfer-Encoding : chunked"], `0\r\n\r\n${SMUGGLED}`),
  framing("a length on a folded line", ["X-A: 1", " Content-Length: 5"], `hello${SMUGGLED}`),
  framing("a coding on a folded line", ["Transfer-Encoding:", " chunked"], `0\r\n\r\n${SMUGGLED}`),
  framing("a coding behind a bare CR", ["X-A: 1\rTransfer-Encoding: chunked"], `0\r\n\r\n${SMUGGLED}`),
  framing("a length beyond all numbers", ["Content-Length: 99999999999999999999"], SMUGGLED, [400, 413]),
  framing("a length of 2^53", ["Content-Length: 9007199254740993"], SMUGGLED, [400, 413]),
  framing("a name with a NUL", ["Content-Length\0: 5"], `hello${SMUGGLED}`),
  head(
    "framing",
    "chunks in HTTP/1.0",
    "POST /v HTTP/1.0",
    [OURS, "Transfer-Encoding: chunked"],
    `0\r\n\r\n${SMUGGLED}`,
    NOT_UNDERSTOOD,
  ),
];

const host = (what: string, fields: readonly string[], line = "GET /v HTTP/1.1") =>
  head("host", what, line, fields, "");

const HOSTS = [
  host("none in HTTP/1.1", []),
  host("two", [OURS, "Host: other.example"]),
  host("twice the same", [OURS, OURS]),
  host("two in one", [`Host: ${HOST}, other.example`]),
  host("a blank before the colon", [`Host : ${HOST}`]),
  host("empty", ["Host:"]),
  ...[
    "a b",
    `u@${HOST}`,
    `${HOST}/x`,
    `${HOST}?x`,
    `${HOST}#x`,
    `${HOST}\\x`,
    "a%2fb",
    `${HOST}:80:81`,
    `${HOST}:a`,
    "[::1",
    "::1]",
    "[::1]x",
    `${HOST}\0`,
    `${HOST}\tx`,
    "a..b",
    ".",
    `"${HOST}"`,
    "caf\xe9.example",
    `<${HOST}>`,
  ].map((value) => host(JSON.stringify(value), [`Host: ${value}`])),
  host("userinfo in absolute-form", [OURS], `GET http://u:p@${HOST}/v HTTP/1.1`),
  host("no authority in absolute-form", [OURS], "GET http:///v HTTP/1.1"),
  host("a bad authority in absolute-form", [OURS], "GET http://a b/v HTTP/1.1"),
  ...["a b", "", `u@${HOST}`, `${HOST}/x`, "a,b", "[::1"].map((value) =>
    host(
      `absolute-form does not excuse ${JSON.stringify(value)}`,
      [`Host: ${value}`],
      `GET http://${HOST}/v HTTP/1.1`,
    ),
  ),
  ...["a,b", `${HOST}:80:81`, `${HOST}:a`, "[::1", "a..b", "caf\xe9.example", `"${HOST}"`].map((authority) =>
    host(
      `absolute-form with the authority ${JSON.stringify(authority)}`,
      [OURS],
      `GET http://${authority}/v HTTP/1.1`,
    ),
  ),
  host("OPTIONS * does not excuse a bad one", ["Host: a b"], "OPTIONS * HTTP/1.1"),
  host("OPTIONS * does not excuse a missing one", [], "OPTIONS * HTTP/1.1"),
  host("absolute-form does not excuse a missing one", [], `GET http://${HOST}/v HTTP/1.1`),
  host("absolute-form does not excuse two", [OURS, "Host: other.example"], `GET http://${HOST}/v HTTP/1.1`),
];

const line = (what: string, text: string, statuses: readonly number[] = [400], fields = [OURS]) =>
  head("line", what, text, fields, SMUGGLED, statuses);

const VERSION_REFUSED = [400, 505];
const LINES = [
  line("HTTP/0.9", "GET /v"),
  line("HTTP/2.0", "GET /v HTTP/2.0", VERSION_REFUSED),
  line("the preface of HTTP/2", "PRI * HTTP/2.0", VERSION_REFUSED, []),
  line("HTTP/3", "GET /v HTTP/3", VERSION_REFUSED),
  line("HTTP/1.10", "GET /v HTTP/1.10", VERSION_REFUSED),
  line("HTTP/01.1", "GET /v HTTP/01.1", VERSION_REFUSED),
  line("HTTP/1.", "GET /v HTTP/1.", VERSION_REFUSED),
  line("HTTP/11", "GET /v HTTP/11", VERSION_REFUSED),
  line("http/1.1 in small letters", "GET /v http/1.1", VERSION_REFUSED),
  line("HTTPS/1.1", "GET /v HTTPS/1.1", VERSION_REFUSED),
  line("a word more", "GET /v HTTP/1.1 x", VERSION_REFUSED),
  line("a blank at the end", "GET /v HTTP/1.1 ", VERSION_REFUSED),
  line("two blanks before the target", "GET  /v HTTP/1.1"),
  line("two blanks before the version", "GET /v  HTTP/1.1", VERSION_REFUSED),
  line("tabs instead of blanks", "GET\t/v\tHTTP/1.1"),
  line("a blank before the method", " GET /v HTTP/1.1"),
  line("no method", "/v HTTP/1.1"),
  line("a comma in the method", "GE,T /v HTTP/1.1"),
  line("a colon in the method", "GET: /v HTTP/1.1"),
  line("a control in the method", "GE\x01T /v HTTP/1.1"),
  line("a NUL in the method", "GE\0T /v HTTP/1.1"),
  line("a byte beyond ASCII in the method", "G\xcbT /v HTTP/1.1"),
  line("a bare CR in the line", "GET /v\rx HTTP/1.1"),
  line("what is no HTTP", "\x16\x03\x01\x02\x00\x01\x00", [400], []),
  line("a mail", "EHLO example.com", [400], []),
  line("an answer", "HTTP/1.1 200 OK", [400, 505], [OURS]),
];

const target = (what: string, path: string) => head("target", what, `GET ${path} HTTP/1.1`, [OURS]);

const TARGETS = [
  target("a fragment", "/v#f"),
  target("a fragment behind a query", "/v?q#f"),
  target("a blank", "/v w"),
  target("a tab", "/v\tw"),
  target("a NUL", "/v\0w"),
  target("a control", "/v\x01w"),
  target("DEL", "/v\x7fw"),
  target("a line feed", "/v\nw"),
  target("no slash", "v"),
  target("nothing but a query", "?v"),
  target("an asterisk for GET", "*"),
  target("authority-form for GET", `${HOST}:80`),
  target("another scheme", "ftp://api.example.com/v"),
  target("a scheme without slashes", "http:/v"),
  target("a script", "javascript:alert(1)"),
];

const field = (what: string, text: string, statuses: readonly number[] = [400]) =>
  head("field", what, "GET /v HTTP/1.1", [OURS, text], SMUGGLED, statuses);

const FIELDS = [
  field("no colon", "X-A"),
  field("no name", ": 1"),
  field("a blank in the name", "X A: 1"),
  field("a blank before the colon", "X-A : 1"),
  field("a tab in the name", "X\tA: 1"),
  field("a control in the name", "X\x01A: 1"),
  field("a NUL in the name", "X\0A: 1"),
  field("a byte beyond ASCII in the name", "X\xe9: 1"),
  field("a parenthesis in the name", "X(a): 1"),
  field("a quote in the name", '"X": 1'),
  field("a folded line", "X-A: 1\r\n 2"),
  field("a folded line with a tab", "X-A: 1\r\n\t2"),
  head("field", "a folded line first", "GET /v HTTP/1.1", [" X-A: 1", OURS]),
  field("a NUL in a value", "X-A: a\0b"),
  field("a bare CR in a value", "X-A: a\rb"),
  field("a control in a value", "X-A: a\x01b"),
  field("DEL in a value", "X-A: a\x7fb"),
  head(
    "field",
    "201 fields",
    "GET /v HTTP/1.1",
    [OURS, ...Array.from({ length: 260 }, (_, i) => `X-${i}: 1`)],
    SMUGGLED,
    [400, 431],
  ),
  field("140,000 octets", `X-A: ${"v".repeat(140_000)}`, [431]),
  head(
    "field",
    "a target of 140,000 octets",
    `GET /${"v".repeat(140_000)} HTTP/1.1`,
    [OURS],
    SMUGGLED,
    [414, 431],
  ),
];

function chunk(what: string, body: string): HostileRow {
  const send = `${POST}\r\n${OURS}\r\nTransfer-Encoding: chunked\r\n\r\n${body}`;
  return { kind: "chunk", what, send, statuses: [400], begins: true, ends: true };
}

const REST = `\r\n0\r\n\r\n${SMUGGLED}`;
const CHUNKS = [
  ...[
    "0x5",
    "-5",
    "+5",
    " 5",
    "\t5",
    "5x",
    "",
    " ",
    ";a",
    "g",
    "5,5",
    "5 5",
    "5.",
    "\x005",
    "5\0",
    "5\x01",
    "ffffffffffffffff5",
    "10000000000000005",
    "fffffffffffffffff",
    "FFFFFFFFFFFFFFFB",
  ].map((size) => chunk(`size ${JSON.stringify(size)}`, `${size}\r\nhello${REST}`)),
  chunk("a size that ends in LF", `5\nhello${REST}`),
  chunk("a size that ends in CR", `5\rhello${REST}`),
  chunk("a size that ends in CR CR LF", `5\r\r\nhello${REST}`),
  chunk("LF in an extension", `5;a\nb\r\nhello${REST}`),
  chunk("CR in an extension", `5;a\rb\r\nhello${REST}`),
  chunk("NUL in an extension", `5;a\0b\r\nhello${REST}`),
  chunk("LF in a quoted extension", `5;a="\n"\r\nhello${REST}`),
  chunk("an endless extension", `5;${"a".repeat(140_000)}\r\nhello${REST}`),
  chunk("more data than the size says", `3\r\nhello${REST}`),
  chunk("less data than the size says", `7\r\nhello${REST}`),
  chunk("data that ends in LF", `5\r\nhello\n0\r\n\r\n${SMUGGLED}`),
  chunk("data that ends in CR", `5\r\nhello\r0\r\n\r\n${SMUGGLED}`),
  chunk("data without an end", `5\r\nhello0\r\n\r\n${SMUGGLED}`),
  chunk("a trailer without a colon", `0\r\nX\r\n\r\n${SMUGGLED}`),
  chunk("a trailer with a blank before its colon", `0\r\nX-A : 1\r\n\r\n${SMUGGLED}`),
  chunk("a folded trailer", `0\r\nX-A: 1\r\n b\r\n\r\n${SMUGGLED}`),
  chunk("a trailer with a NUL", `0\r\nX-A: \0\r\n\r\n${SMUGGLED}`),
  chunk("a trailer with a bare CR", `0\r\nX-A: a\rb\r\n\r\n${SMUGGLED}`),
  chunk("a trailer that ends in LF", `0\r\nX-A: 1\n\r\n${SMUGGLED}`),
  chunk("endless trailers", `0\r\nX-A: ${"v".repeat(140_000)}\r\n\r\n${SMUGGLED}`),
  chunk("an end that is LF", `0\n\n${SMUGGLED}`),
  chunk("an end that is half LF", `0\r\n\n${SMUGGLED}`),
];

export const HOSTILE: readonly HostileRow[] = [
  ...FRAMING,
  ...HOSTS,
  ...LINES,
  ...TARGETS,
  ...FIELDS,
  ...CHUNKS,
];
