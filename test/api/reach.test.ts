// Who reaches the admin side on the listener that visitors have too.
import { expect, test } from "bun:test";
import { type AdminReach, requireReach } from "../../src/api/reach.ts";
import { Fault } from "../../src/core/fault.ts";

const OWN = new Set(["localhost", "example.com", "ten.example.com"]);

interface From {
  readonly peer?: string;
  readonly trusted?: boolean;
  readonly isTls?: boolean;
  readonly path?: string;
  readonly headers?: Record<string, string>;
}

function answer(
  reach: AdminReach,
  { peer = "127.0.0.1", trusted = true, isTls = false, path = "/", headers = {} }: From,
): string {
  const request = new Request(`http://x${path}`, { headers: { Host: "example.com", ...headers } });
  try {
    requireReach(reach, request, { peer, trusted, isTls, ownNames: OWN });
    return "reached";
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    expect(thrown.code).toBe("forbidden");
    expect(thrown.message).toContain("admin =");
    return thrown.message;
  }
}

const FORWARDED = { "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Host": "example.com" };
const SECURE = { ...FORWARDED, "X-Forwarded-Proto": "https" };

type Row = [what: string, from: From, reachedBy: readonly AdminReach[]];
const rows: Row[] = [
  ["a process of this machine", {}, ["loopback", "public"]],
  ["one over IPv6", { peer: "::1" }, ["loopback", "public"]],
  ["a stranger", { peer: "203.0.113.7", trusted: false }, []],
  ["a visitor through a proxy of this machine over http", { headers: FORWARDED }, []],
  ["a visitor through a proxy of this machine over https", { headers: SECURE }, ["public"]],
  ["a stranger over our own TLS", { peer: "203.0.113.7", trusted: false, isTls: true }, ["public"]],
  [
    "a stranger over our own TLS who asks for an address",
    { peer: "203.0.113.7", trusted: false, isTls: true, headers: { Host: "203.0.113.9" } },
    [],
  ],
  ["one that only claims https", { peer: "203.0.113.7", trusted: false, headers: SECURE }, []],
  ["one that asks for an address", { headers: { ...SECURE, "X-Forwarded-Host": "203.0.113.9" } }, []],
  ["one that asks for another name", { headers: { ...SECURE, "X-Forwarded-Host": "evil.org" } }, []],
  ["a proxy that says nothing but Via", { headers: { Via: "1.1 proxy" } }, []],
  [
    "anybody, for /health",
    { peer: "203.0.113.7", trusted: false, path: "/health?x" },
    ["socket", "loopback", "public"],
  ],
];

test.each(rows)("%s", (_, from, reachedBy) => {
  for (const reach of ["socket", "loopback", "public"] as const)
    expect([reach, answer(reach, from) === "reached"]).toEqual([reach, reachedBy.includes(reach)]);
});
