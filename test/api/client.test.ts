// What the typed client makes of answers, errors and silence.
import { expect, test } from "bun:test";
import { createClient } from "../../src/api/client.ts";
import { parseServerUrl } from "../../src/api/dial.ts";
import { Fault } from "../../src/core/fault.ts";
import { createManualClock } from "../support/manual-clock.ts";
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

const plainServer = (answer: () => Response) =>
  Bun.serve({ port: 0, hostname: "127.0.0.1", development: false, reusePort: false, fetch: answer });

test.each([
  [502, "HTTP 502 with text/html, which is not an answer of ours"],
  [200, "HTTP 200 with text/html, which is not an answer of ours"],
  [302, "HTTP 302 with text/html, which is not an answer of ours"],
])("a stranger's answer %d is said to be one", async (status, message) => {
  const headers = { "Content-Type": "text/html", Location: "/elsewhere" };
  await using server = plainServer(() => new Response("<html>", { status, headers }));
  const client = createClient(contract, { endpoint: { url: server.url }, product: "ten/1", unreachable });
  expect((await faultOf(client.hello())).message).toBe(message);
});

/** Sends one line of progress, and then what `then` does. */
function halfStream(then: (controller: ReadableStreamDefaultController) => void) {
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue('{"type":"progress","step":"a","message":"b"}\n');
      then(controller);
    },
  });
  return new Response(body, { headers: { "Content-Type": "application/x-ndjson" } });
}

test("a connection that breaks before the result is unreachable", async () => {
  await using server = plainServer(() => halfStream((controller) => controller.close()));
  const client = createClient(contract, { endpoint: { url: server.url }, product: "ten/1", unreachable });
  const fault = await faultOf(client.deploy({ body: { steps: 1 } }));
  expect(fault.message).toBe("the connection broke before the result");
});

test("a server without heartbeats is given up, and one that does not answer too", async () => {
  const clock = createManualClock();
  const silent = Promise.withResolvers<void>();
  await using server = plainServer(() => halfStream(() => {}));
  const options = { product: "ten/1", unreachable, clock };
  const client = createClient(contract, { ...options, endpoint: { url: server.url } });
  const deploying = faultOf(client.deploy({ body: { steps: 1 } }, { onProgress: () => silent.resolve() }));
  await silent.promise;
  await clock.advance(0);
  await clock.advance(16_000);
  expect((await deploying).message).toBe("the server fell silent");

  using listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const url = new URL(`http://127.0.0.1:${listener.port}`);
  const asking = faultOf(createClient(contract, { ...options, endpoint: { url } }).hello());
  await clock.advance(30_000);
  expect((await asking).message).toBe("no answer in 30 s");
});

test("an event stream ends normally with its signal", async () => {
  await using server = await serveSocket({
    handlers: {
      tail: async function* ({ signal }) {
        yield { n: 1 };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    },
  });
  const stop = new AbortController();
  const seen: number[] = [];
  for await (const { n } of server.client.tail({ query: { from: 0 } }, { signal: stop.signal })) {
    seen.push(n);
    stop.abort(new Error("enough"));
  }
  expect(seen).toEqual([1]);
});

test("a source of events that breaks is a defect that the program is told of", async () => {
  await using server = await serveSocket({
    handlers: {
      tail: async function* () {
        yield { n: 1 };
        throw new Error("log is gone");
      },
    },
  });
  const reading = (async () => {
    for await (const event of server.client.tail({ query: { from: 0 } })) expect(event).toEqual({ n: 1 });
  })();
  expect((await faultOf(reading)).code).toBe("unreachable");
  expect(server.defects.map(String)).toEqual(["Error: log is gone"]);
});

test("only plain server URLs are taken", () => {
  expect(parseServerUrl("http://127.0.0.1:8080").href).toBe("http://127.0.0.1:8080/");
  for (const text of ["127.0.0.1:8080", "ftp://a", "http://a/path", "http://user@a", ""]) {
    expect(() => parseServerUrl(text)).toThrow("is not the URL of a server");
  }
});
