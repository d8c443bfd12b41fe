// The header with which a proxy that passes bytes on says whose they are: PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt).
import { socketAddress } from "./ip-address.ts";

export type ProxyHeader =
  /** More has to come before it can be told. */
  | { readonly kind: "incomplete" }
  /** The connection begins with something else. */
  | { readonly kind: "none" }
  /** It begins as a header and is none. */
  | { readonly kind: "malformed" }
  /** `length` bytes are the header's; `source` is undefined where the proxy speaks for itself, or does not know. */
  | { readonly kind: "header"; readonly length: number; readonly source: string | undefined };

/** Addresses and whatever proxies add in TLVs; a longer one is malformed. */
export const MOST_PROXY_HEADER_BYTES = 8_192;
const V1_MOST_BYTES = 107;
const V1 = Buffer.from("PROXY ", "latin1");
const V2 = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const V2_HEAD_BYTES = 16;
const VERSION_2 = 2;
const COMMAND_LOCAL = 0;
const COMMAND_PROXY = 1;
const TCP4 = 0x11;
const TCP6 = 0x21;
const TCP4_BYTES = 12;
const TCP6_BYTES = 36;
/** Bytes of one TLV before its value. */
const TLV_HEAD_BYTES = 3;
const PORT = /^(?:0|[1-9]\d{0,4})$/;
const MOST_PORT = 65_535;
const INCOMPLETE = { kind: "incomplete" } as const;
const MALFORMED = { kind: "malformed" } as const;

/** Reads what has come of a connection so far. */
export function readProxyHeader(bytes: Uint8Array): ProxyHeader {
  if (begins(bytes, V1)) return bytes.length < V1.length ? INCOMPLETE : readText(bytes);
  if (begins(bytes, V2)) return bytes.length < V2_HEAD_BYTES ? INCOMPLETE : readBinary(bytes);
  return { kind: "none" };
}

/** Whether what is there of the two is the same; nothing at all is. */
function begins(bytes: Uint8Array, with_: Uint8Array): boolean {
  const length = Math.min(bytes.length, with_.length);
  for (let at = 0; at < length; at++) if (bytes[at] !== with_[at]) return false;
  return true;
}

/** `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443` and CR LF. */
function readText(bytes: Uint8Array): ProxyHeader {
  const text = Buffer.from(bytes.subarray(0, V1_MOST_BYTES)).toString("latin1");
  const end = text.indexOf("\r\n");
  if (end < 0) return bytes.length >= V1_MOST_BYTES || text.includes("\n") ? MALFORMED : INCOMPLETE;
  const length = end + 2;
  const [family, source = "", destination = "", ...ports] = text.slice(V1.length, end).split(" ");
  // What stands behind it is of no interest to anybody.
  if (family === "UNKNOWN") return { kind: "header", length, source: undefined };
  const version = family === "TCP4" ? 4 : family === "TCP6" ? 6 : undefined;
  if (version === undefined || socketAddress(destination, version) === undefined) return MALFORMED;
  const visitor = socketAddress(source, version);
  const arePorts = ports.length === 2 && ports.every((port) => PORT.test(port) && Number(port) <= MOST_PORT);
  return visitor !== undefined && arePorts ? { kind: "header", length, source: visitor } : MALFORMED;
}

function readBinary(bytes: Uint8Array): ProxyHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [version, command] = [view.getUint8(12) >> 4, view.getUint8(12) & 15];
  const rest = view.getUint16(14);
  const length = V2_HEAD_BYTES + rest;
  if (version !== VERSION_2 || command > COMMAND_PROXY || length > MOST_PROXY_HEADER_BYTES) return MALFORMED;
  if (bytes.length < length) return INCOMPLETE;
  if (command === COMMAND_LOCAL) return { kind: "header", length, source: undefined };
  const family = view.getUint8(13);
  const addressBytes = family === TCP4 ? TCP4_BYTES : family === TCP6 ? TCP6_BYTES : undefined;
  // Unix sockets, datagrams, and what is yet to be invented: the proxy's own address is all that is known.
  if (addressBytes === undefined) return { kind: "header", length, source: undefined };
  if (rest < addressBytes || !areTlvs(view, V2_HEAD_BYTES + addressBytes, length)) return MALFORMED;
  return { kind: "header", length, source: addressAt(view, V2_HEAD_BYTES, family === TCP4 ? 4 : 6) };
}

function addressAt(view: DataView, at: number, version: 4 | 6): string | undefined {
  const text =
    version === 4
      ? Array.from({ length: 4 }, (_, byte) => view.getUint8(at + byte)).join(".")
      : Array.from({ length: 8 }, (_, group) => view.getUint16(at + 2 * group).toString(16)).join(":");
  return socketAddress(text, version);
}

/** Whether the rest is a row of type, length and value. */
function areTlvs(view: DataView, from: number, to: number): boolean {
  let at = from;
  while (at + TLV_HEAD_BYTES <= to) at += TLV_HEAD_BYTES + view.getUint16(at + 1);
  return at === to;
}
