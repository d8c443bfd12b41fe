// PROXY headers as they come: cut anywhere, of both versions, and whatever only looks like one.
import { describe, expect, test } from "bun:test";
import { MOST_PROXY_HEADER_BYTES, readProxyHeader } from "../../src/core/proxy-protocol.ts";
import { proxyHeader2 } from "../support/proxy-header.ts";

const text = (line: string) => Buffer.from(line, "latin1");
const V4 = [192, 0, 2, 1, 198, 51, 100, 1, 0xdb, 0xa0, 1, 187];
const V6 = [...Buffer.from("20010db8000000000000000000000001", "hex"), ...Buffer.alloc(16, 1), 0, 80, 1, 187];
const MAPPED = [
  ...Buffer.from("00000000000000000000ffffc0000201", "hex"),
  ...Buffer.alloc(16, 1),
  0,
  80,
  1,
  187,
];
const TLV = [0x04, 0, 3, 1, 2, 3];

const GOOD: readonly (readonly [name: string, header: Buffer, source: string | undefined])[] = [
  ["v1, IPv4", text("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"), "192.0.2.1"],
  ["v1, IPv6", text("PROXY TCP6 2001:DB8:0::1 ::1 56324 443\r\n"), "2001:db8::1"],
  ["v1, IPv4 in IPv6", text("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 443\r\n"), "192.0.2.1"],
  ["v1, unknown", text("PROXY UNKNOWN\r\n"), undefined],
  ["v1, unknown with more", text("PROXY UNKNOWN ffff:f...f:ffff 65535 65535\r\n"), undefined],
  ["v1, the longest", text(`PROXY UNKNOWN ${"f".repeat(107 - 16)}\r\n`), undefined],
  ["v2, IPv4", proxyHeader2(0x21, 0x11, V4), "192.0.2.1"],
  ["v2, IPv6", proxyHeader2(0x21, 0x21, V6), "2001:db8::1"],
  ["v2, IPv4 in IPv6", proxyHeader2(0x21, 0x21, MAPPED), "192.0.2.1"],
  ["v2 with TLVs", proxyHeader2(0x21, 0x11, [...V4, ...TLV, ...TLV]), "192.0.2.1"],
  ["v2, LOCAL", proxyHeader2(0x20, 0x00, []), undefined],
  ["v2, LOCAL with an address", proxyHeader2(0x20, 0x11, V4), undefined],
  ["v2, unspecified", proxyHeader2(0x21, 0x00, [1, 2, 3]), undefined],
  ["v2, a unix socket", proxyHeader2(0x21, 0x31, new Array(216).fill(0)), undefined],
  ["v2, datagrams", proxyHeader2(0x21, 0x12, V4), undefined],
];

const BAD: readonly (readonly [name: string, header: Buffer])[] = [
  ["v1 without an address", text("PROXY TCP4\r\n")],
  ["v1 of another protocol", text("PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n")],
  ["v1 with IPv6 as IPv4", text("PROXY TCP4 ::1 ::1 1 2\r\n")],
  ["v1 with IPv4 as IPv6", text("PROXY TCP6 192.0.2.1 192.0.2.1 1 2\r\n")],
  ["v1 with half an address", text("PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n")],
  ["v1 with an octal address", text("PROXY TCP4 192.0.02.1 198.51.100.1 1 2\r\n")],
  ["v1 with a zone", text("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n")],
  ["v1 with a port that is none", text("PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n")],
  ["v1 with a leading zero", text("PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n")],
  ["v1 with a port too few", text("PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n")],
  ["v1 with a word too many", text("PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n")],
  ["v1 with two blanks", text("PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n")],
  ["v1 with a bare line feed", text("PROXY TCP4 192.0.2.1 198.51.100.1 1 2\nGET / HTTP/1.1\r\n")],
  ["v1 without an end", text(`PROXY UNKNOWN ${"f".repeat(100)}`)],
  ["v2 of version 1", proxyHeader2(0x11, 0x11, V4)],
  ["v2 with a command that is none", proxyHeader2(0x22, 0x11, V4)],
  ["v2 shorter than its addresses", proxyHeader2(0x21, 0x11, V4.slice(0, 8))],
  ["v2 with IPv6 in IPv4's room", proxyHeader2(0x21, 0x21, V4)],
  ["v2 with a TLV beyond its end", proxyHeader2(0x21, 0x11, [...V4, 4, 0, 9, 1])],
  ["v2 with half a TLV", proxyHeader2(0x21, 0x11, [...V4, 4, 0])],
  ["v2 too long", proxyHeader2(0x21, 0x11, new Array(MOST_PROXY_HEADER_BYTES).fill(0))],
];

describe("a PROXY header", () => {
  test.each(GOOD)("%s is read, and incomplete at every cut", (_, header, source) => {
    const more = Buffer.concat([header, Buffer.from("GET / HTTP/1.1\r\n")]);
    expect(readProxyHeader(more)).toEqual({ kind: "header", length: header.length, source });
    for (let cut = 0; cut < header.length; cut++)
      expect([cut, readProxyHeader(header.subarray(0, cut))]).toEqual([cut, { kind: "incomplete" }]);
  });

  test.each(BAD)("%s is malformed", (_, header) => {
    expect(readProxyHeader(header)).toEqual({ kind: "malformed" });
  });

  test("is not what other protocols begin with", () => {
    for (const start of [
      "GET / HTTP/1.1",
      "PROPFIND /",
      "PROXI",
      "\r\n\r\nGET",
      "\r\n\r\n\0\r\nQUIP\n",
      "\x16\x03\x01",
    ])
      expect([start, readProxyHeader(text(start))]).toEqual([start, { kind: "none" }]);
  });

  test("made of anything ends in an answer", () => {
    const bytes = Buffer.alloc(64);
    for (let round = 0; round < 20_000; round++) {
      crypto.getRandomValues(bytes);
      proxyHeader2(0x21, 0x11, []).copy(bytes, 0, 0, 12 + (round % 4));
      expect(["incomplete", "malformed", "header"]).toContain(readProxyHeader(bytes).kind);
    }
  });
});
