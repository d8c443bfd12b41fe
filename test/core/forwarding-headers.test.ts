// Header hygiene: hop-by-hop fields, forwarded fields by trust, and circles.
import { expect, test } from "bun:test";
import {
  type Arrival,
  answerFields,
  type Field,
  readFields,
  requestFields,
} from "../../src/core/forwarding-headers.ts";

const HOST = "api.example.com";
const ARRIVAL: Arrival = {
  peer: "203.0.113.9",
  peerTrusted: false,
  scheme: "http",
  viaName: "node-7f3a",
  newId: () => "fresh",
};

function forwarded(from: Record<string, string>, changes: Partial<Arrival> = {}): Record<string, string> {
  const said = readFields(Object.entries({ host: HOST, ...from }), "x-tenement-instance");
  return Object.fromEntries(requestFields(said, { ...ARRIVAL, ...changes }) ?? []);
}

const ADDED = {
  host: HOST,
  "x-forwarded-for": "203.0.113.9",
  "x-forwarded-proto": "http",
  "x-forwarded-host": "api.example.com",
  "x-request-id": "fresh",
  via: "1.1 node-7f3a",
};

test("hop-by-hop fields, framing, expectation and the selector stay behind; the rest goes on", () => {
  const from = {
    accept: "*/*",
    cookie: "a=1",
    connection: "keep-alive",
    "keep-alive": "timeout=5",
    te: "trailers",
    trailer: "x",
    "transfer-encoding": "chunked",
    "content-length": "5",
    upgrade: "h2c",
    "proxy-authorization": "secret",
    "proxy-connection": "keep-alive",
    expect: "100-continue",
    "x-tenement-instance": "api",
  };
  expect(forwarded(from)).toEqual({ accept: "*/*", cookie: "a=1", ...ADDED });
});

test("what Connection names is stripped, but never what the proxy adds, nor Host", () => {
  const connection = "close, X-Secret, X-Forwarded-For, x-request-id, via, host";
  expect(forwarded({ "x-secret": "1", "x-other": "2", connection })).toEqual({
    "x-other": "2",
    ...ADDED,
  });
});

const CLAIMS = {
  "x-forwarded-for": "1.2.3.4",
  "x-forwarded-proto": "https",
  "x-forwarded-host": "shop.example.org",
  "x-request-id": "theirs",
  forwarded: "for=1.2.3.4",
};

test("what a stranger claims is replaced", () => {
  expect(forwarded(CLAIMS)).toEqual(ADDED);
});

test("what a trusted peer says is kept, and its own address appended", () => {
  expect(forwarded(CLAIMS, { peerTrusted: true })).toEqual({
    ...CLAIMS,
    host: HOST,
    "x-forwarded-for": "1.2.3.4, 203.0.113.9",
    via: ADDED.via,
  });
});

test("Via grows; our own name once is a pass, twice a circle", () => {
  expect(forwarded({ via: "1.1 caddy" }).via).toBe("1.1 caddy, 1.1 node-7f3a");
  expect(forwarded({ via: "1.1 node-7f3a" }).via).toBe("1.1 node-7f3a, 1.1 node-7f3a");
  const circled = readFields([["via", "1.1 node-7f3a, 1.1 b, 1.1 node-7f3a"]], undefined);
  expect(requestFields(circled, ARRIVAL)).toBeUndefined();
});

test("an answer keeps every Set-Cookie and loses what is the proxy's to say", () => {
  const from = [
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
    ["x-ten-error", "forged"],
    ["content-length", "5"],
  ] as const;
  const reserved = new Set(["x-ten-error"]);
  const cookies: Field[] = [
    ["set-cookie", "a=1"],
    ["set-cookie", "b=2"],
  ];
  expect(answerFields(from, reserved, false)).toEqual(cookies);
  expect(answerFields(from, reserved, true)).toEqual([...cookies, ["content-length", "5"]]);
});
