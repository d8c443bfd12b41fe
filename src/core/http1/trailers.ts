// Fields behind a chunked body (RFC 9110 section 6.5): those go on that mean the same there as in a head.
import { COLON, CR } from "./bytes.ts";

/** What a recipient that merges trailers into the head would take for it (RFC 9110 section 6.5.1, RFC 7230 section 4.1.2). */
const FORBIDDEN: ReadonlySet<string> = new Set([
  // Framing, and what is one hop's.
  ...["content-length", "transfer-encoding", "trailer", "te", "connection", "keep-alive", "upgrade"],
  "proxy-connection",
  // Routing, and how a request is to be treated.
  ...["host", "via", "max-forwards", "cache-control", "pragma", "expect", "range", "x-request-id"],
  ...["if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"],
  // Who asks, and who may.
  ...[
    "authorization",
    "proxy-authorization",
    "www-authenticate",
    "proxy-authenticate",
    "cookie",
    "set-cookie",
  ],
  // What is to be done with an answer.
  ...["age", "date", "expires", "location", "retry-after", "vary", "warning"],
  // What the body is.
  ...["content-encoding", "content-type", "content-range"],
]);

/** `isOurs`: whether only we may set the field of this lower-case name. A name with an underscore is, to many an app, one with `-`. */
function mayTrail(name: string, isOurs: (name: string) => boolean): boolean {
  const read = name.toLowerCase().replaceAll("_", "-");
  return !FORBIDDEN.has(read) && !isOurs(read);
}

/** The trailers that go on of `bytes`, whole lines up to the empty one, which is kept. */
export function trailersThatPass(bytes: Buffer, isOurs: (name: string) => boolean): Buffer {
  const left: Buffer[] = [];
  let at = 0;
  while (bytes[at] !== CR) {
    const colon = bytes.indexOf(COLON, at);
    const next = bytes.indexOf(CR, colon) + 2;
    if (mayTrail(bytes.latin1Slice(at, colon), isOurs)) left.push(bytes.subarray(at, next));
    at = next;
  }
  left.push(bytes.subarray(at));
  return Buffer.concat(left);
}
