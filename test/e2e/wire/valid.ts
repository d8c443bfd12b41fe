// Every kind of valid request, each with the section that makes it valid, and what the origin must see or the client must get.
import { HOST } from "./proxied.ts";

export interface ValidRow {
  readonly rfc: string;
  readonly what: string;
  /** The bytes, one character each. */
  readonly send: string;
  /** What the origin must see, fields that the proxy adds apart; undefined: nothing reaches it. */
  readonly sees: Sees | undefined;
  /** Values that fields of the proxy's own must have; undefined: the field must not be there. */
  readonly adds?: Readonly<Record<string, string | undefined>> | undefined;
  /** The bytes of the origin's answer; 200 and `ok` unless given. */
  readonly origin?: string | undefined;
  /** What the client must get, where that is not the origin's answer as it came. */
  readonly gets?: Gets | undefined;
  readonly method: string;
}

export interface Sees {
  readonly line: string;
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
}

export interface Gets {
  readonly status: number;
  readonly fields?: readonly string[];
  readonly body?: string | RegExp;
  readonly trailers?: readonly string[];
}

/** Of framing, routing, authentication, control and payload; and what only the proxy may say, however it is spelled. */
const FORBIDDEN_TRAILERS = [
  ...["Content-Length", "transfer-encoding", "Host", "TE", "Trailer", "Connection", "Upgrade", "Keep-Alive"],
  ...["Authorization", "Cookie", "Proxy-Authorization", "Cache-Control", "Expect", "Range", "If-Match"],
  ...["Content-Type", "Content-Encoding", "Content-Range", "X-Forwarded-For", "X_Forwarded_For", "Forwarded"],
  ...["X-Real-IP", "X-Request-Id", "Via", "content_length", "X-Original-URL"],
];

interface Changes {
  readonly sees?: Partial<Sees> | "nothing";
  /** Fields that do not go on. */
  readonly without?: readonly string[];
  readonly adds?: ValidRow["adds"];
  readonly body?: string;
  /** The body as it is sent, where that differs. */
  readonly wire?: string;
  readonly origin?: string | undefined;
  readonly gets?: Gets | undefined;
  /** Bytes before the request line. */
  readonly before?: string;
}

const HOST_FIELD = `Host: ${HOST}`;

/** A request whose line and fields the origin must see as they are sent, but for what `changes` says. */
function row(
  rfc: string,
  what: string,
  line: string,
  fields: readonly string[],
  changes: Changes = {},
): ValidRow {
  const { body = "", wire = body, before = "", without = [], sees = {}, ...rest } = changes;
  const gone = new Set(without.map((name) => name.toLowerCase()));
  const going = fields.filter((field) => !gone.has(field.slice(0, field.indexOf(":")).toLowerCase()));
  return {
    rfc,
    what,
    method: line.split(" ")[0] ?? "",
    send: `${before}${line}\r\n${fields.map((field) => `${field}\r\n`).join("")}\r\n${wire}`,
    sees: sees === "nothing" ? undefined : { line, fields: going, body, trailers: [], ...sees },
    ...rest,
  };
}

const get = (rfc: string, what: string, fields: readonly string[], changes?: Changes) =>
  row(rfc, what, "GET / HTTP/1.1", [HOST_FIELD, ...fields], changes);

const target = (rfc: string, what: string, path: string) =>
  row(rfc, `${what}: ${path.length > 60 ? `${path.slice(0, 60)}...` : path}`, `GET ${path} HTTP/1.1`, [
    HOST_FIELD,
  ]);

const method = (rfc: string, name: string) => row(rfc, `method ${name}`, `${name} /m HTTP/1.1`, [HOST_FIELD]);

const sized = (name: string, rfc: string, what: string, body: string, fields: readonly string[] = []) =>
  row(rfc, what, `${name} /b HTTP/1.1`, [HOST_FIELD, `Content-Length: ${body.length}`, ...fields], { body });

function chunked(rfc: string, what: string, wire: string, body: string, changes: Changes = {}): ValidRow {
  const fields = [HOST_FIELD, "Transfer-Encoding: chunked"];
  return row(rfc, what, "POST /c HTTP/1.1", fields, { wire, body, ...changes });
}

const answered = (rfc: string, what: string, origin: string, gets?: Gets, name = "GET") =>
  row(rfc, `answer: ${what}`, `${name} /a HTTP/1.1`, [HOST_FIELD], gets ? { origin, gets } : { origin });

const ALL_BYTES = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("");
const OWN: Gets = { status: 200, body: /^own 127\.0\.0\.1 / };

const METHODS = [
  ...["HEAD", "POST", "PUT", "DELETE", "OPTIONS"].map((name) => method("9110 9.3", name)),
  method("5789 2", "PATCH"),
  ...["PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK"].map((name) =>
    method("4918 9", name),
  ),
  ...["REPORT", "CHECKOUT", "CHECKIN", "UNCHECKOUT", "VERSION-CONTROL", "MKWORKSPACE"].map((name) =>
    method("3253", name),
  ),
  ...["UPDATE", "LABEL", "MERGE", "BASELINE-CONTROL", "MKACTIVITY"].map((name) => method("3253", name)),
  method("3648 7", "ORDERPATCH"),
  method("3744 8.1", "ACL"),
  method("4791 5.3.1", "MKCALENDAR"),
  method("5323 2", "SEARCH"),
  method("5842 4", "BIND"),
  method("2068 19.6.1", "LINK"),
  method("9110 16.1.1", "QUERY"),
  method("9110 9.1", "PURGE"),
  method("2324 2.1.1", "BREW"),
  method("9110 9.1", "M-SEARCH"),
  method("9110 9.1", "get"),
  method("9110 9.1", "X"),
  method("9110 5.6.2", "!#$%&'*+-.^_`|~09aZ"),
  row("9110 9.3.6", "CONNECT is not forwarded", `CONNECT ${HOST}:443 HTTP/1.1`, [`Host: ${HOST}:443`], {
    sees: "nothing",
    gets: { status: 405 },
  }),
  row("9110 9.3.8", "TRACE is not forwarded", "TRACE / HTTP/1.1", [HOST_FIELD], {
    sees: "nothing",
    gets: { status: 405 },
  }),
];

const TARGETS = [
  target("9112 3.2.1", "origin-form", "/"),
  target("3986 3.4", "an empty query", "/?"),
  target("3986 3.4", "a query", "/p?q=1&r=%20+%2B"),
  target("3986 3.4", "a query with / and ?", "/p?a/b?c"),
  target("3986 3.3", "empty segments", "/a//b///"),
  target("3986 3.3", "empty segments first", "//a"),
  target("3986 3.3", "two dots", "/a/../b"),
  target("3986 3.3", "two dots at the root", "/../b"),
  target("3986 3.3", "a dot", "/a/./b/."),
  target("3986 2.1", "escaped dots", "/a/%2e%2E/b"),
  target("3986 2.1", "escapes in either case", "/%2f%2F%c3%A9"),
  target("3986 2.1", "an escaped NUL", "/%00"),
  target("3986 2.1", "what is no escape", "/100%/%zz%"),
  target("3986 3.3", "parameters", "/a;p=1;q/b,c"),
  target("3986 3.3", "colon and at sign", "/a:b@c:/d"),
  target("3986 3.3", "all that needs no escape", "/-._~!$&'()*+,;=:@"),
  target("3986 3.3", "an apostrophe", "/it's?q='x'"),
  target("9112 3.2", "what should be escaped, as clients send it", '/^{}|`"<>\\[]'),
  target("9112 3.2", "bytes of Latin-1", "/caf\xe9"),
  target("9112 3.2", "bytes of UTF-8", "/caf\xc3\xa9?\xe2\x82\xac"),
  target("9112 3", "8,000 octets", `/${"x".repeat(7_986)}`),
  target("9112 3", "a query of 30,000 octets", `/?${"y".repeat(30_000)}`),
  row("9112 3.2.2", "absolute-form", `GET http://${HOST}/p?q HTTP/1.1`, [HOST_FIELD], {
    sees: { line: "GET /p?q HTTP/1.1" },
  }),
  row(
    "9112 3.2.2",
    "absolute-form wins over Host",
    `GET http://${HOST}/p HTTP/1.1`,
    ["Host: other.invalid"],
    {
      sees: { line: "GET /p HTTP/1.1", fields: [HOST_FIELD] },
      adds: { "x-forwarded-host": HOST },
    },
  ),
  row("9112 3.2.2", "absolute-form without a path", `GET http://${HOST} HTTP/1.1`, [HOST_FIELD], {
    sees: { line: "GET / HTTP/1.1" },
  }),
  row("9112 3.2.2", "absolute-form with a query only", `GET http://${HOST}?q=1 HTTP/1.1`, [HOST_FIELD], {
    sees: { line: "GET /?q=1 HTTP/1.1" },
  }),
  row(
    "3986 3.1",
    "absolute-form, scheme and host in capitals",
    "GET HTTP://API.Example.COM/P HTTP/1.1",
    [HOST_FIELD],
    {
      sees: { line: "GET /P HTTP/1.1", fields: ["Host: API.Example.COM"] },
    },
  ),
  row(
    "9112 3.2.2",
    "absolute-form with a port",
    `GET http://${HOST}:8080/p HTTP/1.1`,
    [`Host: ${HOST}:8080`],
    {
      sees: { line: "GET /p HTTP/1.1" },
    },
  ),
];

const HOSTS = [
  row("9110 7.2", "host in capitals", "GET / HTTP/1.1", ["Host: API.EXAMPLE.COM"]),
  row("9110 7.2", "host with a port", "GET / HTTP/1.1", [`Host: ${HOST}:80`]),
  row("9110 4.2.1", "host with an empty port", "GET / HTTP/1.1", [`Host: ${HOST}:`]),
  row("1034 3.1", "host with its root dot", "GET / HTTP/1.1", [`Host: ${HOST}.`]),
  row("9112 3.2", "host without a blank", "GET / HTTP/1.1", [`Host:${HOST}`]),
  row("9112 3.2", "host last", "GET / HTTP/1.1", ["X-Any: 1", HOST_FIELD]),
  row("9112 3.2", "a name of the field in lower case", "GET / HTTP/1.1", [`host: ${HOST}`]),
  row("9110 7.2", "an IPv4 address is the server's own", "GET / HTTP/1.1", ["Host: 192.0.2.7"], {
    sees: "nothing",
    gets: OWN,
  }),
  row("9110 7.2", "an IPv6 address is the server's own", "GET / HTTP/1.1", ["Host: [2001:db8::1]:80"], {
    sees: "nothing",
    gets: OWN,
  }),
  row("9110 7.4", "a host that is nobody's", "GET / HTTP/1.1", ["Host: nobody.invalid"], {
    sees: "nothing",
    gets: { status: 404 },
  }),
];

const VERSIONS = [
  row("9112 2.3", "HTTP/1.0 with a host", "GET / HTTP/1.0", [HOST_FIELD], {
    sees: { line: "GET / HTTP/1.1" },
  }),
  row("1945 5.1", "HTTP/1.0 without a host is for the server itself", "GET /health HTTP/1.0", [], {
    sees: "nothing",
    gets: OWN,
  }),
  row("1945 7.2.2", "HTTP/1.0 with a body", "POST /b HTTP/1.0", [HOST_FIELD, "Content-Length: 3"], {
    body: "abc",
    sees: { line: "POST /b HTTP/1.1" },
  }),
  row(
    "9112 9.3",
    "HTTP/1.0 that keeps the connection",
    "GET / HTTP/1.0",
    [HOST_FIELD, "Connection: keep-alive"],
    {
      without: ["Connection"],
      sees: { line: "GET / HTTP/1.1" },
    },
  ),
  row(
    "9110 7.8",
    "HTTP/1.0 cannot upgrade",
    "GET / HTTP/1.0",
    [HOST_FIELD, "Connection: Upgrade", "Upgrade: websocket"],
    {
      without: ["Connection", "Upgrade"],
      sees: { line: "GET / HTTP/1.1" },
    },
  ),
  get("9112 2.2", "an empty line before the request line", [], { before: "\r\n" }),
  get("9112 2.2", "two empty lines before the request line", [], { before: "\r\n\r\n" }),
];

const FIELDS = [
  get("9112 5.1", "no blank behind the colon", ["X-Any:1"]),
  get("9110 5.6.3", "blanks and tabs around a value", ["X-Any: \t 1 \t "]),
  get("9110 5.5", "an empty value", ["X-Any:"]),
  get("9110 5.5", "a blank and an empty value", ["X-Any: "]),
  get("9110 5.5", "blanks and tabs inside a value", ["X-Any: a  b\tc"]),
  get("9110 5.5", "a value in Latin-1", ["X-Any: caf\xe9 \xff\x80"]),
  get("9110 5.5", "a value in UTF-8", ["X-Any: \xe2\x82\xac"]),
  get("9110 5.1", "names in any case", ["x-lower: 1", "X-UPPER: 2", "X-MiXeD: 3"]),
  get("9110 5.6.2", "a name of every character it may have", ["!#$%&'*+-.^`|~09aZ: 1"]),
  get("9110 5.1", "a name with an underscore", ["X_Any: 1"]),
  get("9110 5.3", "a field twice", ["X-Two: a", "X-Two: b"]),
  get("9110 5.3", "a field twice, others between, cases differ", ["X-Two: a", "X-Other: 1", "x-two: b"]),
  get("9110 5.3", "order of many", ["B: 1", "A: 2", "D: 3", "C: 4", "A: 5"]),
  get("9110 5.6.1", "a list with empty elements", ["Accept: , text/html,, text/plain ,"]),
  get("9110 5.6.4", "a quoted string with a comma and an escape", ['X-Any: "a, \\"b\\"", c']),
  get("9110 5.6.5", "a comment", ["User-Agent: a/1 (b; (c) \\) d)"]),
  get(
    "9112 5",
    "150 fields",
    Array.from({ length: 150 }, (_, i) => `X-${i}: ${i}`),
  ),
  get("9112 5.4", "a value of 8,000 octets", [`X-Long: ${"v".repeat(8_000)}`]),
  get("9112 5.4", "a value of 50,000 octets", [`X-Long: ${"v".repeat(50_000)}`]),
  get("6265 5.4", "cookies", ["Cookie: a=b; c=d"]),
  get("6265 5.4", "a cookie with odd bytes", ['Cookie: a="x y"; b={"j":[1,2]}; c=\xe9']),
  get("9113 8.2.3", "cookies in two fields", ["Cookie: a=b", "Cookie: c=d"]),
  get("9110 11.6.2", "credentials", ["Authorization: Basic dXNlcjpwYXNz"]),
  get("9110 12.5", "preferences", ["Accept: */*;q=0.1", "Accept-Language: de", "Accept-Encoding: gzip, br"]),
  get("9110 13.1", "conditions", [
    'If-None-Match: "a", W/"b"',
    "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
  ]),
  get("9110 14.2", "ranges", ["Range: bytes=0-1,-5", 'If-Range: "x"']),
  get("9110 10.1.3", "a referrer and a sender", ["Referer: http://a/b?c", "From: a@b.example"]),
  get("9110 8.3", "an empty content type", ["Content-Type:"]),
  get("9111 5.2", "cache directives", ["Cache-Control: no-cache, max-age=0", "Pragma: no-cache"]),
  get("9110 7.6.2", "Max-Forwards on another method than those it is for", ["Max-Forwards: 3"]),
  get("9110 7.6.1", "Connection: close", ["Connection: close"], { without: ["Connection"] }),
  get(
    "9110 7.6.1",
    "Connection: keep-alive, and what went with it",
    ["Connection: keep-alive", "Keep-Alive: 5"],
    {
      without: ["Connection", "Keep-Alive"],
    },
  ),
  get(
    "9110 7.6.1",
    "what Connection names ends here",
    ["Connection: X-Hop , x-other", "X-Hop: 1", "X-Stays: 2"],
    {
      without: ["Connection", "X-Hop"],
    },
  ),
  get("9110 7.6.1", "Connection twice", ["Connection: X-Hop", "Connection: close", "X-Hop: 1"], {
    without: ["Connection", "X-Hop"],
  }),
  get("9110 7.6.1", "Connection cannot take Host away", ["Connection: Host, close"], {
    without: ["Connection"],
  }),
  get("9110 7.6.1", "Connection cannot take away what the proxy adds", ["Connection: X-Forwarded-For"], {
    without: ["Connection"],
    adds: { "x-forwarded-for": "127.0.0.1" },
  }),
  get("9110 7.6.1", "Proxy-Connection ends here", ["Proxy-Connection: keep-alive"], {
    without: ["Proxy-Connection"],
  }),
  get("9110 10.1.4", "TE ends here", ["Connection: TE", "TE: gzip;q=0.5"], { without: ["Connection", "TE"] }),
  get("9110 10.1.1", "an expectation on a request without a body", ["Expect: 100-continue"]),
  get("9110 10.1.1", "an unknown expectation", ["Expect: 200-maybe"], {
    sees: "nothing",
    gets: { status: 417 },
  }),
  get(
    "7239 4",
    "what a stranger says about its client is dropped",
    [
      "Forwarded: for=192.0.2.1",
      "X-Forwarded-For: 192.0.2.1",
      "X-Real-IP: 192.0.2.1",
      "True-Client-IP: 192.0.2.1",
    ],
    {
      without: ["Forwarded", "X-Forwarded-For", "X-Real-IP", "True-Client-IP"],
      adds: { "x-forwarded-for": "127.0.0.1", forwarded: undefined },
    },
  ),
  get(
    "7239 4",
    "what a stranger says about host and scheme is replaced",
    ["X-Forwarded-Host: evil", "X-Forwarded-Proto: https"],
    {
      without: ["X-Forwarded-Host", "X-Forwarded-Proto"],
      adds: { "x-forwarded-host": HOST, "x-forwarded-proto": "http" },
    },
  ),
];

const BODIES = [
  sized("POST", "9112 6.2", "a body of a length", "hello"),
  sized("POST", "9112 6.2", "a body of length 0", ""),
  sized("POST", "9112 6", "all bytes", ALL_BYTES),
  sized("POST", "9112 6.2", "100,000 bytes", "z".repeat(100_000)),
  sized("POST", "9112 6.2", "2,000,000 bytes", "z".repeat(2_000_000)),
  sized(
    "POST",
    "9112 6.2",
    "a body that looks like a request",
    `GET /hidden HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`,
  ),
  sized("PUT", "9110 9.3.4", "a body of PUT", "hello", ["Content-Type: text/plain"]),
  sized("DELETE", "9110 9.3.5", "a body of DELETE", "x"),
  sized("OPTIONS", "9110 9.3.7", "a body of OPTIONS", "x"),
  sized("PROPFIND", "4918 9.1", "a body of PROPFIND", "<a/>"),
  sized("GET", "9110 9.3.1", "a body of GET", '{"query":{}}'),
  sized("HEAD", "9110 9.3.2", "a body of HEAD", "x"),
  sized("GET", "9110 9.3.1", "GET of length 0", ""),
  row("9112 6.3", "no length and no coding is no body", "POST /b HTTP/1.1", [HOST_FIELD]),
  row("9110 8.6", "leading zeros in a length", "POST /b HTTP/1.1", [HOST_FIELD, "Content-Length: 0005"], {
    body: "hello",
  }),
  row(
    "9110 10.1.1",
    "a body that waits for 100",
    "POST /b HTTP/1.1",
    [HOST_FIELD, "Expect: 100-continue", "Content-Length: 3"],
    {
      body: "abc",
    },
  ),
  row(
    "9110 10.1.1",
    "100-Continue in capitals",
    "POST /b HTTP/1.1",
    [HOST_FIELD, "Expect: 100-CONTINUE", "Content-Length: 3"],
    {
      body: "abc",
    },
  ),
  chunked("9112 7.1", "one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello"),
  chunked("9112 7.1", "no chunk", "0\r\n\r\n", ""),
  chunked("9112 7.1", "several chunks", "1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n0\r\n\r\n", "hello"),
  chunked("9112 7.1", "sizes in capitals", `1F\r\n${"x".repeat(31)}\r\n0\r\n\r\n`, "x".repeat(31)),
  chunked("9112 7.1", "sizes in small letters", `1f\r\n${"x".repeat(31)}\r\n0\r\n\r\n`, "x".repeat(31)),
  chunked("9112 7.1", "leading zeros", "0005\r\nhello\r\n000\r\n\r\n", "hello"),
  chunked("9112 7.1", "a chunk of all bytes", `100\r\n${ALL_BYTES}\r\n0\r\n\r\n`, ALL_BYTES),
  chunked("9112 7.1", "a chunk that looks like the end", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n"),
  chunked("9112 7.1.1", "an extension", "5;a\r\nhello\r\n0;b\r\n\r\n", "hello"),
  chunked("9112 7.1.1", "an extension with a value", "5;a=b;c=d\r\nhello\r\n0\r\n\r\n", "hello"),
  chunked("9112 7.1.1", "an extension with a quoted value", '5;a="b;c\\"d"\r\nhello\r\n0\r\n\r\n', "hello"),
  chunked("9112 7.1.1", "blanks around an extension", "5 ; a = b\r\nhello\r\n0\r\n\r\n", "hello"),
  chunked("9112 7.1.2", "a trailer", "5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n", "hello", {
    sees: { trailers: ["X-Sum: 7"] },
  }),
  chunked("9112 7.1.2", "trailers, twice the same", "1\r\nh\r\n0\r\nX-A: 1\r\nX-A: 2\r\nx-b:\r\n\r\n", "h", {
    sees: { trailers: ["X-A: 1", "X-A: 2", "x-b: "] },
  }),
  ...FORBIDDEN_TRAILERS.map((name) =>
    chunked(
      "9110 6.5.1",
      `no trailer: ${name}`,
      `1\r\nh\r\n0\r\nX-A: 1\r\n${name}: 5\r\nX-B: 2\r\n\r\n`,
      "h",
      {
        sees: { trailers: ["X-A: 1", "X-B: 2"] },
      },
    ),
  ),
  chunked("9110 6.5.1", "no trailer at all is left", "1\r\nh\r\n0\r\nhost: a\r\nTE: b\r\n\r\n", "h"),
  row(
    "9112 7",
    "the name of the coding in any case",
    "POST /c HTTP/1.1",
    [HOST_FIELD, "Transfer-Encoding: Chunked"],
    {
      wire: "1\r\nh\r\n0\r\n\r\n",
      body: "h",
      sees: { fields: [HOST_FIELD, "Transfer-Encoding: chunked"] },
    },
  ),
  row(
    "9110 9.3.1",
    "GET with an empty chunked body",
    "GET /c HTTP/1.1",
    [HOST_FIELD, "Transfer-Encoding: chunked"],
    {
      wire: "0\r\n\r\n",
    },
  ),
  row("9110 9.3.4", "PUT in chunks", "PUT /c HTTP/1.1", [HOST_FIELD, "Transfer-Encoding: chunked"], {
    wire: "3\r\nabc\r\n0\r\n\r\n",
    body: "abc",
  }),
];

const UPGRADES = [
  get(
    "7540 3.2",
    "HTTP/2 is not spoken behind an upgrade",
    ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"],
    { without: ["Connection", "Upgrade", "HTTP2-Settings"] },
  ),
  get("9110 7.8", "Upgrade without Connection is nobody's", ["Upgrade: websocket"], { without: ["Upgrade"] }),
];

const sizedAnswer = (line: string, fields: readonly string[] = [], body = "ok") =>
  `HTTP/1.1 ${line}\r\n${fields.map((field) => `${field}\r\n`).join("")}Content-Length: ${body.length}\r\n\r\n${body}`;

const ANSWERS = [
  ...[
    200, 201, 202, 203, 206, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 409, 410, 412, 416, 418,
    422, 429, 451, 500, 501, 503, 599,
  ].map((status) => answered("9110 15", `status ${status}`, sizedAnswer(`${status} Its Reason`))),
  answered("9110 15", "status 600", sizedAnswer("600 Beyond")),
  answered("9110 15", "status 999", sizedAnswer("999 Beyond")),
  answered("9110 15.3.5", "204 has no body", "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n"),
  answered("9110 15.3.6", "205 of length 0", sizedAnswer("205 Reset Content", [], "")),
  answered(
    "9110 15.4.5",
    "304 with the length of what was not sent",
    'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 7\r\n\r\n',
  ),
  answered("9112 4", "an empty reason", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok"),
  answered("9112 4", "a reason in Latin-1", sizedAnswer("200 caf\xe9 !")),
  answered("9110 15.2", "102 before the answer", `HTTP/1.1 102 Processing\r\n\r\n${sizedAnswer("200 OK")}`),
  answered(
    "8297 2",
    "103 with links before the answer",
    `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n${sizedAnswer("200 OK")}`,
  ),
  answered(
    "9110 15.2",
    "three before the answer",
    `HTTP/1.1 102 A\r\n\r\nHTTP/1.1 103 B\r\nX: 1\r\n\r\nHTTP/1.1 199 C\r\n\r\n${sizedAnswer("200 OK")}`,
  ),
  answered(
    "9110 5.3",
    "a field twice",
    sizedAnswer("200 OK", ["Link: </a>", "X-O: 1", "Link: </b>", "link: </c>"]),
  ),
  answered(
    "9110 11.6.1",
    "two challenges, each apart",
    sizedAnswer("401 Unauthorized", ["WWW-Authenticate: Negotiate", 'WWW-Authenticate: Basic realm="a, b"']),
  ),
  answered(
    "6265 3",
    "each Set-Cookie apart",
    sizedAnswer("200 OK", ["Set-Cookie: a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT", "Set-Cookie: b=2"]),
  ),
  answered(
    "6797 8.1",
    "Strict-Transport-Security twice",
    sizedAnswer("200 OK", ["Strict-Transport-Security: max-age=1", "Strict-Transport-Security: max-age=2"]),
  ),
  answered(
    "9110 5.5",
    "values with odd bytes",
    sizedAnswer("200 OK", ["X-A: caf\xe9", "X-B:", "X-C: a\tb  c"]),
  ),
  answered("9110 5.1", "names in their case", sizedAnswer("200 OK", ["ETag: 1", "x-low: 2", "X-UP: 3"])),
  answered("9110 8.3", "an empty content type", sizedAnswer("200 OK", ["Content-Type:"])),
  answered("9110 8.3", "no content type", sizedAnswer("200 OK")),
  answered(
    "9110 6.6.1",
    "a date of its own",
    sizedAnswer("200 OK", ["Date: Sun, 06 Nov 1994 08:49:37 GMT", "Server: x"]),
  ),
  answered("9112 6.2", "a length above 64 KB stays", sizedAnswer("200 OK", [], "d".repeat(1_000_000))),
  answered(
    "9112 6.3",
    "a body up to the end of the connection",
    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
  ),
  answered(
    "9112 7.1",
    "chunks",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n",
  ),
  answered(
    "9112 7.1.2",
    "trailers",
    "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\nX-Sum: 2\r\n\r\n",
  ),
  ...["Content-Length", "Transfer-Encoding", "Set-Cookie", "Location", "Content-Type", "X-Ten-Instance"].map(
    (name) =>
      answered(
        "9110 6.5.1",
        `no trailer of an answer: ${name}`,
        `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-A: 1\r\n${name}: 5\r\nX-B: 2\r\n\r\n`,
        { status: 200, body: "ab", trailers: ["X-A: 1", "X-B: 2"] },
      ),
  ),
  answered(
    "9110 9.3.2",
    "HEAD with a length",
    "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
    undefined,
    "HEAD",
  ),
  answered(
    "9110 9.3.2",
    "HEAD in chunks",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    undefined,
    "HEAD",
  ),
  answered("9110 9.3.2", "HEAD without a length", "HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n", undefined, "HEAD"),
  answered(
    "9110 7.6.1",
    "what concerns one connection ends here",
    sizedAnswer("200 OK", ["Connection: X-Hop", "X-Hop: 1", "Keep-Alive: timeout=1", "X-A: 2"]),
    {
      status: 200,
      fields: ["X-A: 2", "Content-Length: 2"],
      body: "ok",
    },
  ),
  answered("9112 2.2", "lines that end in LF", "HTTP/1.1 200 OK\nX-A: 1\nContent-Length: 2\n\nok", {
    status: 200,
    fields: ["X-A: 1", "Content-Length: 2"],
    body: "ok",
  }),
  answered("9112 2.3", "an app that speaks HTTP/1.0", "HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nold", {
    status: 200,
    fields: ["X-A: 1"],
    body: "old",
  }),
  answered(
    "9110 14.6",
    "parts of a body",
    sizedAnswer(
      "206 Partial Content",
      ["Content-Type: multipart/byteranges; boundary=x"],
      "--x\r\n\r\na\r\n--x--\r\n",
    ),
  ),
];

export const VALID: readonly ValidRow[] = [
  ...METHODS,
  ...TARGETS,
  ...HOSTS,
  ...VERSIONS,
  ...FIELDS,
  ...BODIES,
  ...UPGRADES,
  ...ANSWERS,
];
