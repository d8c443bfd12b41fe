// What a target may answer, over real sockets.
import { describe, expect, test } from "bun:test";
import type { UpstreamRequest } from "../../../src/proxy/http-client.ts";
import { scriptedOrigin } from "../../support/scripted-origin.ts";
import { until } from "../../support/until.ts";
import { createClient, failureOf, ok, text } from "./client.ts";

/** Sends one request to a target that answers with these bytes and, if told so, closes. */
async function exchange(answer: string, about: { method?: string; close?: boolean } = {}) {
  await using target = scriptedOrigin({
    onRequest({ connection }) {
      connection.write(answer);
      if (about.close) connection.end();
    },
  });
  await using client = createClient();
  const request: Partial<UpstreamRequest> = { method: about.method ?? "GET" };
  const first = client.send(target.origin, request);
  const response = await first.response;
  const body = await text(response);
  await until("the exchange has ended", () => first.ends.length === 1);
  const second = client.send(target.origin, request);
  await text(await second.response);
  return { ...response, body, connections: target.connections.length, ends: first.ends };
}

describe("an answer and the fate of its connection:", () => {
  test("with a length, kept", async () => {
    expect(await exchange("HTTP/1.1 201 Made\r\nA: b\r\nContent-Length: 2\r\n\r\nhi")).toEqual({
      status: 201,
      fields: [
        ["a", "b"],
        ["content-length", "2"],
      ],
      body: "hi",
      connections: 1,
      ends: [undefined],
    });
  });
  test("in chunks, with extensions and trailers, kept", async () => {
    const answer =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n3\r\n yo\r\n0\r\nT: x\r\n\r\n";
    expect(await exchange(answer)).toMatchObject({ fields: [], body: "hi yo", connections: 1 });
  });
  test("empty, kept", async () => {
    expect(await exchange("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).toMatchObject({
      body: "",
      connections: 1,
    });
  });
  test("204 and 304, kept", async () => {
    expect(await exchange("HTTP/1.1 204 No\r\n\r\n")).toMatchObject({
      status: 204,
      body: null,
      connections: 1,
    });
    const notModified = "HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n";
    expect(await exchange(notModified)).toMatchObject({ status: 304, body: null, connections: 1 });
  });
  test("to HEAD, with a length but no body, kept", async () => {
    const answer = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n";
    expect(await exchange(answer, { method: "HEAD" })).toMatchObject({
      fields: [["content-length", "99"]],
      body: null,
      connections: 1,
    });
  });
  test("behind interim answers, kept", async () => {
    const interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    expect(await exchange(interim + ok("x"))).toMatchObject({ status: 200, body: "x", connections: 1 });
  });
  test("that says close, dropped", async () => {
    expect(await exchange(ok("x", "Connection: close\r\n"))).toMatchObject({ body: "x", connections: 2 });
  });
  test("in HTTP/1.0, dropped", async () => {
    const answer = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx";
    expect(await exchange(answer)).toMatchObject({ body: "x", connections: 2 });
  });
  test("in HTTP/1.0 with keep-alive, kept", async () => {
    const answer = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx";
    expect(await exchange(answer)).toMatchObject({ body: "x", connections: 1 });
  });
  test("that ends with the connection, dropped", async () => {
    const answer = "HTTP/1.1 200 OK\r\n\r\nto the end";
    expect(await exchange(answer, { close: true })).toMatchObject({ body: "to the end", connections: 2 });
  });
  test("with bytes behind its length, whole but dropped", async () => {
    expect(await exchange(`${ok("hi")}HTTP/1.1 200 OK`)).toMatchObject({ body: "hi", connections: 2 });
  });
  test("with bytes behind its last chunk, whole but dropped", async () => {
    const answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n\r\n";
    expect(await exchange(answer)).toMatchObject({ body: "hi", connections: 2 });
  });
  test("with a body where none may be, whole but dropped", async () => {
    expect(await exchange("HTTP/1.1 204 No\r\n\r\nbody")).toMatchObject({ body: null, connections: 2 });
  });
});

describe("garbage at once is", () => {
  const answers: Record<string, string> = {
    "an SSH banner": "SSH-2.0-OpenSSH_9.2\r\n",
    "one wrong byte": "X",
    "HTTP/0.9": "<html>",
    "a switch of protocols nobody asked for": "HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n",
    "both framings": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "differing lengths": "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
    "a folded field": "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n",
    "a bad chunk that came with the head": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a head without end": `HTTP/1.1 200 OK\r\n${`A: ${"b".repeat(1000)}\r\n`.repeat(270)}`,
    "a head of too many fields": `HTTP/1.1 200 OK\r\n${"A: b\r\n".repeat(600)}\r\n`,
    "interim answers without end": "HTTP/1.1 102 Processing\r\n\r\n".repeat(40),
  };
  test.each(Object.entries(answers))("%s", async (_, answer) => {
    await using target = scriptedOrigin({
      onRequest: ({ connection, nth }) =>
        connection.write(nth === 0 && target.connections.length === 1 ? answer : ok("fine")),
    });
    await using client = createClient();
    const { response, ends } = client.send(target.origin, {}, { requestTimeoutMs: 60_000 });
    const failure = await failureOf(response);
    expect(failure).toMatchObject({ kind: "garbage", requestSent: true, answerBegun: true, reused: false });
    expect(ends).toEqual([failure]);
    await target.connections[0]?.closed;
    expect(await text(await client.send(target.origin).response)).toBe("fine");
    expect(target.connections).toHaveLength(2);
  });
});

describe("a body that breaks off errors its stream:", () => {
  const head = "HTTP/1.1 200 OK\r\n";
  test.each([
    ["a length not reached", `${head}Content-Length: 10\r\n\r\nshort`, "end", "reset"],
    ["a length not reached, reset", `${head}Content-Length: 10\r\n\r\nshort`, "reset", "reset"],
    ["chunks without the last", `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n`, "end", "reset"],
    [
      "chunks without the final line",
      `${head}Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\n`,
      "end",
      "reset",
    ],
    ["a body up to the end, reset", `${head}\r\nshort`, "reset", "reset"],
  ] as const)("%s", async (_, answer, how, kind) => {
    await using target = scriptedOrigin({ onRequest: ({ connection }) => connection.write(answer) });
    await using client = createClient();
    const { response, ends } = client.send(target.origin);
    const answered = await response;
    expect(answered.body).toBeInstanceOf(ReadableStream);
    target.connections[0]?.[how]();
    expect(await failureOf(text(answered))).toMatchObject({ kind, requestSent: true, answerBegun: true });
    expect(ends).toMatchObject([{ kind }]);
  });

  test("a bad chunk in the middle", async () => {
    await using target = scriptedOrigin({
      onRequest: ({ connection }) =>
        connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"),
    });
    await using client = createClient();
    const answered = await client.send(target.origin).response;
    target.connections[0]?.write("nonsense\r\n");
    expect(await failureOf(text(answered))).toMatchObject({ kind: "garbage" });
  });
});

describe("closed before an answer:", () => {
  test.each(["end", "reset"] as const)("%s", async (how) => {
    await using target = scriptedOrigin({ onRequest: ({ connection }) => connection[how]() });
    await using client = createClient();
    const { response, ends } = client.send(target.origin);
    const failure = await failureOf(response);
    expect(failure).toMatchObject({ kind: "reset", requestSent: true, answerBegun: false, reused: false });
    expect(ends).toEqual([failure]);
  });

  test("in the middle of the head", async () => {
    await using target = scriptedOrigin({
      onRequest({ connection }) {
        connection.write("HTTP/1.1 200 O");
        connection.end();
      },
    });
    await using client = createClient();
    expect(await failureOf(client.send(target.origin).response)).toMatchObject({
      kind: "reset",
      requestSent: true,
      answerBegun: true,
    });
  });
});
