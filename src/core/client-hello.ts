// The first message of a TLS handshake, as far as it says which protocols a client offers (RFC 8446 section 4.1.2, RFC 7301).

const RECORD_HEAD_BYTES = 5;
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
/** Of the message: its type and length, the version and the random bytes. */
const BEFORE_SESSION_BYTES = 4 + 2 + 32;
const ALPN = 16;
/** The longest record there is, with its head. */
const MOST_RECORD_BYTES = RECORD_HEAD_BYTES + 16_384;

/**
 * The protocols that a client offers, none when it offers none, or when this is no such message, or one in several records; undefined
 * while more has to come.
 */
export function offeredProtocols(bytes: Uint8Array): readonly string[] | undefined {
  if (bytes.length > 0 && bytes[0] !== HANDSHAKE) return [];
  if (bytes.length < RECORD_HEAD_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = RECORD_HEAD_BYTES + view.getUint16(3);
  if (end > MOST_RECORD_BYTES) return [];
  if (bytes.length < end) return undefined;
  const hello = new DataView(bytes.buffer, bytes.byteOffset + RECORD_HEAD_BYTES, end - RECORD_HEAD_BYTES);
  try {
    return protocolsOf(hello);
  } catch {
    // Some length in it leads beyond its end.
    return [];
  }
}

/** Throws a RangeError where it ends early. */
function protocolsOf(hello: DataView): readonly string[] {
  if (hello.getUint8(0) !== CLIENT_HELLO) return [];
  let at = BEFORE_SESSION_BYTES;
  at += 1 + hello.getUint8(at);
  at += 2 + hello.getUint16(at);
  at += 1 + hello.getUint8(at);
  const end = at + 2 + hello.getUint16(at);
  for (at += 2; at < end; at += 4 + hello.getUint16(at + 2))
    if (hello.getUint16(at) === ALPN) return namesIn(hello, at + 6, at + 6 + hello.getUint16(at + 4));
  return [];
}

/** The names in the list of ALPN (RFC 7301 section 3.1): each behind one byte with its length. */
function namesIn(view: DataView, from: number, to: number): string[] {
  const bytes = Buffer.from(view.buffer, view.byteOffset, Math.min(to, view.byteLength));
  return protocolNames(bytes.subarray(from, to));
}

export function protocolNames(wire: Uint8Array): string[] {
  const bytes = Buffer.from(wire.buffer, wire.byteOffset, wire.byteLength);
  const names: string[] = [];
  for (let at = 0; at < bytes.length; at += 1 + (bytes[at] as number))
    names.push(bytes.latin1Slice(at + 1, at + 1 + (bytes[at] as number)));
  return names;
}
