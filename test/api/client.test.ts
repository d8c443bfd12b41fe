// What the typed client makes of answers, errors and silence.
import { expect, test } from "bun:test";
import { createClient } from "../../src/api/client.ts";
import { parseServerUrl } from "../../src/api/dial.ts";
import { Fault } from "../../src/core/fault.ts";
import { ADMIN, contract, faultOf, serveSocket, serveTcp } from "./fixture.ts";

const unreachable = (cause: string) => new Fault("unreachable", cause, "start one");

test("over the socket its owner needs no token", async () => {
  await using server = await serveSocket();
  expect(await server.client.hello()).toEqual({ status: "ok", door: "socket" });
  expect(await server.client.list({ query: { limit: 3 } })).toEqual({
    things: ["a", "b", "c"],
    scope: "admin",
  });
  expect(await server.client.metrics()).toBe("up 1\n");
});

test("names travel in the path whatever they contain", async () => {
  await using server = await serveSocket();
  const id = "api:v2.1/ä?#%2F";
  expect(await server.client.weigh({ params: { id }, body: { weight: 2.5 } })).toEqual({ id, weight: 2.5 });
  const fault = await faultOf(server.client.weigh({ params: { id: ".." }, body: { weight: 1 } }));
  expect(fault.message).toBe('".." is not a valid id');
});

test("a fault of the server arrives as the same fault", async () => {
  await using server = await serveTcp();
  const call = server.client(ADMIN).weigh({ params: { id: "api:none" }, body: { weight: 1 } });
  const fault = await faultOf(call);
  expect([fault.code, fault.message, fault.hint]).toEqual([
    "not_found",
    "there is no api:none",
    "see ten ps",
  ]);
  expect((await faultOf(server.client(undefined).list())).exitCode).toBe(8);
});

test("progress is told in order before the result, and a failure after it is thrown", async () => {
  await using server = await serveSocket();
  const seen: string[] = [];
  const options = { onProgress: ({ message }: { message: string }) => seen.push(message) };
  expect(await server.client.deploy({ body: { steps: 2 } }, options)).toEqual({ done: 2 });
  expect(seen).toEqual(["step 1", "step 2"]);
  expect((await faultOf(server.client.deploy({ body: { steps: -1 } }))).code).toBe("unhealthy");
});

test("events come one by one until the source ends; a refusal comes before the first", async () => {
  await using server = await serveSocket();
  const seen: number[] = [];
  for await (const { n } of server.client.tail({ query: { from: 5 } })) seen.push(n);
  expect(seen).toEqual([5, 6, 7]);
  const refused = (async () => {
    for await (const event of server.client.tail({ query: { from: -1 } })) throw new Error(String(event));
  })();
  expect((await faultOf(refused)).code).toBe("not_found");
});

test("a server of another version is told once", async () => {
  await using server = await serveSocket({ product: "ten/2.0.0" });
  await server.client.hello();
  await server.client.hello();
  expect(server.others).toEqual(["ten/2.0.0"]);
});

test("a failed dial is the program's advice with the cause", async () => {
  const socket = createClient(contract, {
    endpoint: { socket: "/nowhere/x.sock" },
    product: "ten/1",
    unreachable,
  });
  expect((await faultOf(socket.hello())).message).toBe("there is no such socket");
  await using server = await serveTcp();
  const { url } = server;
  await server[Symbol.asyncDispose]();
  const tcp = createClient(contract, { endpoint: { url }, product: "ten/1", unreachable });
  const fault = await faultOf(tcp.hello());
  expect([fault.message, fault.hint, fault.exitCode]).toEqual(["nothing listens there", "start one", 6]);
});

test("an answer that is not ours is said to be so", async () => {
  await using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response("<html>", { status: 502 }),
  });
  const client = createClient(contract, { endpoint: { url: server.url }, product: "ten/1", unreachable });
  expect((await faultOf(client.hello())).message).toBe("HTTP 502, which is not an answer of ours");
});

test("a connection that breaks before the result is unreachable", async () => {
  await using server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response('{"type":"heartbeat"}\n'),
  });
  const client = createClient(contract, { endpoint: { url: server.url }, product: "ten/1", unreachable });
  const fault = await faultOf(client.deploy({ body: { steps: 1 } }));
  expect(fault.message).toBe("the connection broke before the result");
});

test("only plain server URLs are taken", () => {
  expect(parseServerUrl("http://127.0.0.1:8080").href).toBe("http://127.0.0.1:8080/");
  for (const text of ["127.0.0.1:8080", "ftp://a", "http://a/path", "http://user@a", ""]) {
    expect(() => parseServerUrl(text)).toThrow("is not the URL of a server");
  }
});
