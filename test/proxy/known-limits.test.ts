// What Bun.serve cannot do: each test passes while that is so, and fails, saying what to do, when Bun has learned it.
import { expect, test } from "bun:test";
import { systemClock } from "../../src/platform/time/clock.ts";
import { createInProcessPlane } from "../../src/proxy/front/in-process.ts";
import { createUpstream } from "../../src/proxy/upstream/upstream.ts";
import { startPlane } from "../support/plane.ts";
import { route, target } from "../support/routes.ts";
import { fieldOf, reply, type Seen, type WireClient, wireClient, wireOrigin } from "../support/wire.ts";

/** A plane in front of a scripted origin, spoken to by hand. */
async function proxied(script: (request: Seen) => void) {
  const origin = wireOrigin(script);
  const front = await startPlane((options) =>
    createInProcessPlane(options, createUpstream({ clock: systemClock })),
  );
  await front.plane.publish([
    route("api", [target("api:v1", { address: origin.address })], { hosts: ["api.example.com"] }),
  ]);
  return {
    origin,
    ask: (start: string, rest = "") =>
      wireClient(front.plane.url, `${start} HTTP/1.1\r\nHost: api.example.com\r\n${rest}\r\n`),
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]();
      origin[Symbol.dispose]();
    },
  };
}

const headOf = (client: WireClient) => client.until((text) => text.includes("\r\n\r\n"));

/** Whether a limit is gone; if so, `then` says what has become unnecessary. */
function stillLimited(isLearned: boolean, then: string): void {
  if (isLearned)
    throw new Error(`Bun has learned this. Take it out of docs/known-limits.md and the README; ${then}`);
}

test("the length of a body that is not there with its head is not kept", async () => {
  const body = "x".repeat(2_000_000);
  await using proxy = await proxied((request) => reply(request, body));
  using client = await proxy.ask("GET /");
  const head = await headOf(client);
  expect(
    fieldOf(head, "transfer-encoding") !== undefined || fieldOf(head, "content-length") !== undefined,
  ).toBe(true);
  stillLimited(
    fieldOf(head, "content-length") === String(body.length),
    "drop keepLength from answerFields (src/core/forwarding-headers.ts), and bodyOf from src/proxy/forward/http-transport.ts.",
  );
});

test("the head of a streamed answer waits for the first byte of its body", async () => {
  let begin = () => {};
  await using proxy = await proxied(({ socket }) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    begin = () => void socket.write("6\r\n: hi\n\n\r\n");
  });
  using client = await proxy.ask("GET /");
  await client.until((text) => text.startsWith("HTTP/1.1 200 "));
  const isWhole = await Promise.race([headOf(client).then(() => true), Bun.sleep(100).then(() => false)]);
  begin();
  expect(await client.until((text) => text.includes(": hi"))).toContain("\r\n\r\n");
  stillLimited(isWhole, "nothing else depends on it.");
});

test.each([
  ["/a/../b", "/b"],
  ["/a/./b", "/a/b"],
  ["/a/%2e%2e/b", "/b"],
  ["/a\\b", "/a/b"],
  ["/x?q='1'", "/x?q=%271%27"],
])("the path %s goes on as %s", async (written, changed) => {
  await using proxy = await proxied((request) => reply(request, ""));
  using client = await proxy.ask(`GET ${written}`);
  await headOf(client);
  const sent = proxy.origin.seen[0]?.head.split(" ")[1];
  expect(sent === written || sent === changed).toBe(true);
  stillLimited(sent === written, "pathOf in src/proxy/front/handler.ts may have to change.");
});

test("a host in the request line is not shown, so Host decides, and says the same to the target", async () => {
  await using proxy = await proxied((request) => reply(request, ""));
  using client = await proxy.ask("GET http://other.example/path?q=1");
  expect(await headOf(client)).toStartWith("HTTP/1.1 200 ");
  const head = proxy.origin.seen[0]?.head ?? "";
  expect(head).toStartWith("GET /path?q=1 HTTP/1.1\r\n");
  expect(fieldOf(head, "host")).toBe("api.example.com");
  // Where Bun would show it.
  await using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    development: false,
    fetch: (request) => new Response(null, { headers: { "x-url": request.url } }),
  });
  using direct = await wireClient(
    server.url,
    "GET http://other.example/ HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
  );
  stillLimited(
    fieldOf(await headOf(direct), "x-url")?.includes("other.example") === true,
    "front.ts and relay-plane.ts have to decide by the URL's host (RFC 9112 section 3.2.2).",
  );
});

test("requests pipelined behind one that is still being answered are lost with the connection", async () => {
  await using proxy = await proxied((request) => {
    setTimeout(() => reply(request, "ok"), 20);
  });
  using alone = await proxy.ask("GET /");
  expect(await headOf(alone)).toStartWith("HTTP/1.1 200 ");
  const next = "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
  using client = await proxy.ask("GET /", `\r\n${next}${next}`.slice(0, -2));
  const answers = () => client.text().split("HTTP/1.1 200").length - 1;
  await Promise.race([client.closed, client.until(() => answers() === 3).catch(() => {})]);
  stillLimited(answers() === 3, "nothing else depends on it.");
});

test("trailers of an answer do not pass", async () => {
  await using proxy = await proxied(({ socket }) => {
    socket.write(
      "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n",
    );
  });
  using client = await proxy.ask("GET /", "TE: trailers\r\n");
  const text = await client.until((all) => all.includes("hi"));
  if (fieldOf(text, "transfer-encoding") !== undefined)
    await client.until((all) => /\r\n0\r\n(.*\r\n)?\r\n/.test(all));
  stillLimited(client.text().includes("X-Sum: 7"), "src/proxy/upstream/chunked.ts has to hand trailers on.");
});

test("103 Early Hints do not pass", async () => {
  await using proxy = await proxied((request) => {
    request.socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
    reply(request, "ok");
  });
  using client = await proxy.ask("GET /");
  const text = await client.until((all) => all.endsWith("ok"));
  stillLimited(text.includes(" 103 "), "src/proxy/upstream/answer-reader.ts has to hand interim answers on.");
});

test("a reason phrase of the app's own is replaced", async () => {
  await using proxy = await proxied(({ socket }) => {
    socket.write("HTTP/1.1 200 Splendid\r\nContent-Length: 0\r\n\r\n");
  });
  using client = await proxy.ask("GET /");
  const text = await headOf(client);
  expect(text).toStartWith("HTTP/1.1 200 ");
  stillLimited(text.startsWith("HTTP/1.1 200 Splendid"), "nothing else depends on it.");
});

test("a field that a request repeats is joined to one", async () => {
  await using proxy = await proxied((request) => reply(request, ""));
  using client = await proxy.ask("GET /", "X-Two: a\r\nX-Two: b\r\n");
  await headOf(client);
  const head = proxy.origin.seen[0]?.head ?? "";
  const lines = head.split("\r\n").filter((line) => /^x-two:/i.test(line));
  expect(lines.join()).toMatch(/a, b|a,x-two: b/i);
  stillLimited(lines.length === 2, "nothing else depends on it.");
});

test("a field that an answer repeats is joined to one, but for Set-Cookie", async () => {
  await using proxy = await proxied((request) => reply(request, "", "Link: </a>\r\nLink: </b>\r\n"));
  using client = await proxy.ask("GET /");
  const text = await headOf(client);
  expect(text).toContain("</b>");
  const lines = text.split("\r\n").filter((line) => /^link:/i.test(line));
  stillLimited(lines.length === 2, "nothing else depends on it.");
});

test.each(["GET", "HEAD"])(
  "the body of a %s is not handed out, so such a request is refused",
  async (method) => {
    await using proxy = await proxied((request) => reply(request, ""));
    using client = await proxy.ask(`${method} /`, "Content-Length: 2\r\n");
    const text = await headOf(client);
    expect(text).toStartWith("HTTP/1.1 400 ");
    // The refusal is ours: what tells whether Bun has learned it is Bun itself.
    await using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      development: false,
      fetch: async (request) => new Response(null, { headers: { "x-body": String(request.body !== null) } }),
    });
    using direct = await wireClient(
      server.url,
      `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi`,
    );
    stillLimited(
      fieldOf(await headOf(direct), "x-body") === "true",
      "drop hasNoBody and hasLostBody from src/proxy/forward/request-body.ts, and the answer unread_body.",
    );
  },
);

test("a request with more than 198 fields is refused", async () => {
  await using proxy = await proxied((request) => reply(request, ""));
  const fields = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: 1\r\n`).join("");
  using within = await proxy.ask("GET /", fields(197));
  expect(await headOf(within)).toStartWith("HTTP/1.1 200 ");
  using beyond = await proxy.ask("GET /", fields(198));
  const answer = await headOf(beyond);
  expect(answer).toMatch(/^HTTP\/1.1 (200|431) /);
  stillLimited(answer.startsWith("HTTP/1.1 200 "), "nothing else depends on it.");
});

test.each([
  ["GET /", "A B: 1\r\n", "400"],
  ["GET /", `A: ${"x".repeat(140_000)}\r\n`, "431"],
])("what %# is no request is refused without a word", async (start, fields, status) => {
  await using proxy = await proxied((request) => reply(request, ""));
  using client = await proxy.ask(start, fields);
  const answer = await headOf(client);
  expect(answer).toStartWith(`HTTP/1.1 ${status} `);
  stillLimited(fieldOf(answer, "cache-control") !== undefined, "answers.ts can word these, too.");
});

test("a method that Bun does not know ends the connection", async () => {
  await using proxy = await proxied((request) => reply(request, ""));
  using known = await proxy.ask("PROPFIND /");
  expect(await headOf(known)).toStartWith("HTTP/1.1 200 ");
  using client = await proxy.ask("BREW /");
  await Promise.race([client.closed, headOf(client).catch(() => {})]);
  stillLimited(client.text() !== "", "nothing else depends on it.");
});

test("a request with trailers is refused", async () => {
  await using proxy = await proxied((request) => reply(request, ""));
  using client = await proxy.ask("POST /", "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n");
  const answer = await headOf(client);
  expect(answer).toMatch(/^HTTP\/1.1 (200|400) /);
  stillLimited(answer.startsWith("HTTP/1.1 200 "), "nothing else depends on it.");
});

test("100 Continue is said before any target has been asked", async () => {
  await using proxy = await proxied(({ socket }) => {
    socket.write("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  });
  using client = await proxy.ask("POST /", "Expect: 100-continue\r\nContent-Length: 3\r\n");
  const text = await headOf(client);
  stillLimited(
    !text.startsWith("HTTP/1.1 100 "),
    "let Expect pass in REQUEST_ROLE (src/core/forwarding-headers.ts).",
  );
});

test("of a refused WebSocket only the status comes back, and of an opened one not the target's fields", async () => {
  await using proxy = await proxied((request) => {
    if (request.head.includes(" /no")) reply({ ...request }, "why not", "X-Why: 1\r\n");
    else {
      const key = fieldOf(request.head, "sec-websocket-key") ?? "";
      const hash = new Bun.CryptoHasher("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
      request.socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Theirs: 1\r\nSec-WebSocket-Accept: ${hash.digest("base64")}\r\n\r\n`,
      );
    }
  });
  const upgrade =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  using refused = await proxy.ask("GET /no", upgrade);
  using opened = await proxy.ask("GET /", upgrade);
  expect(await headOf(opened)).toStartWith("HTTP/1.1 101 ");
  stillLimited(
    fieldOf(await headOf(refused), "x-why") !== undefined || fieldOf(opened.text(), "x-theirs") !== undefined,
    "src/proxy/forward/websocket.ts can hand them on.",
  );
});
