// The wire: what clients really send arrives as it was sent, and what apps really answer comes back as it was answered.
import { describe, expect, test } from "bun:test";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { createInProcessPlane } from "../../../src/proxy/front/in-process.ts";
import { createUpstream } from "../../../src/proxy/upstream/upstream.ts";
import { startPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { until } from "../../support/until.ts";
import { fieldOf, reply, type Seen, type WireClient, wireClient, wireOrigin } from "../../support/wire.ts";

/** A plane in front of a scripted origin, spoken to by hand. */
async function proxied(script: (request: Seen) => void = (request) => reply(request, "ok")) {
  const origin = wireOrigin(script);
  const front = await startPlane((options) =>
    createInProcessPlane(options, createUpstream({ clock: systemClock })),
  );
  await front.plane.publish([
    route("api", [target("api:v1", { address: origin.address })], { hosts: ["api.example.com"] }),
  ]);
  return {
    ...front,
    origin,
    send: (bytes: string) => wireClient(front.plane.url, bytes),
    ask: (start: string, rest = "") =>
      wireClient(front.plane.url, `${start} HTTP/1.1\r\nHost: api.example.com\r\n${rest}\r\n`),
    async [Symbol.asyncDispose]() {
      await front[Symbol.asyncDispose]();
      origin[Symbol.dispose]();
    },
  };
}

const NEXT = "GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n";
const headOf = (client: WireClient) => client.until((text) => text.includes("\r\n\r\n"));
const answersIn = (text: string) => text.split("HTTP/1.1 200").length - 1;

describe("a target goes on as it came (RFC 9112 section 3.2)", () => {
  test.each([
    "/a/../b",
    "/a/./b",
    "/a/%2e%2e/b",
    "/..",
    "/a\\b",
    "//x//y",
    "/x?q='1'",
    '/"<>^{}|',
    "/caf\xe9",
    "/%zz?a=%",
    "/?",
    "/a;b=1/:c@d",
  ])("%s", async (path) => {
    await using proxy = await proxied();
    using client = await wireClient(proxy.plane.url, "");
    const bytes = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: api.example.com\r\n\r\n`, "latin1");
    client.write(bytes as unknown as string);
    expect(await headOf(client)).toStartWith("HTTP/1.1 200 ");
    expect(proxy.origin.seen[0]?.head.split(" ")[1]).toBe(path);
  });

  test.each(["/keep#ment", "/a\x01b", "/a\x7fb", "no-path", "ftp://a/"])("%j is 400", async (path) => {
    await using proxy = await proxied();
    using client = await proxy.ask(`DELETE ${path}`);
    expect(await headOf(client)).toStartWith("HTTP/1.1 400 ");
    expect(proxy.origin.seen).toHaveLength(0);
  });

  test.each([
    ["http://api.example.com/path?q=1", "/path?q=1"],
    ["HTTP://api.example.com", "/"],
    ["http://api.example.com?q", "/?q"],
  ])("%s is for its own host, whatever Host says (section 3.2.2)", async (url, path) => {
    await using proxy = await proxied();
    using client = await proxy.send(`GET ${url} HTTP/1.1\r\nHost: other.example\r\n\r\n`);
    expect(await headOf(client)).toStartWith("HTTP/1.1 200 ");
    const head = proxy.origin.seen[0]?.head ?? "";
    expect(head).toStartWith(`GET ${path} HTTP/1.1\r\n`);
    expect(head.match(/^host: .*$/gim)).toEqual(["Host: api.example.com"]);
  });

  test.each(["OPTIONS *", "OPTIONS http://api.example.com"])(
    "%s is answered by the server itself (section 3.2.4)",
    async (start) => {
      await using proxy = await proxied();
      using client = await proxy.ask(start);
      const head = await headOf(client);
      expect(head).toStartWith("HTTP/1.1 204 ");
      expect(fieldOf(head, "allow")).toContain("OPTIONS");
      expect(proxy.origin.seen).toHaveLength(0);
    },
  );

  test("nothing else asks for the whole server", async () => {
    await using proxy = await proxied();
    using other = await proxy.ask("GET *");
    expect(await headOf(other)).toStartWith("HTTP/1.1 400 ");
    expect(proxy.origin.seen).toHaveLength(0);
  });
});

describe("requests behind one that is being answered (RFC 9112 section 9.3.2)", () => {
  test("are answered in order, on one connection", async () => {
    await using proxy = await proxied((request) => {
      const path = request.head.split(" ")[1] ?? "";
      setTimeout(() => reply(request, path), path === "/1" ? 30 : 0);
    });
    const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: api.example.com\r\n\r\n`;
    using client = await proxy.send(get("/1") + get("/2") + get("/3"));
    const text = await client.until((all) => all.endsWith("/3"));
    expect(text.indexOf("/1")).toBeLessThan(text.indexOf("/2"));
    expect(text.indexOf("/2")).toBeLessThan(text.indexOf("/3"));
  });

  test("150 POSTs, each with its body, and an empty line behind each (section 2.2)", async () => {
    await using proxy = await proxied((request) => reply(request, request.body()));
    const post = (body: string) =>
      `POST / HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: ${body.length}\r\n\r\n${body}\r\n`;
    const bodies = Array.from({ length: 150 }, (_, i) => `body-${i}`);
    using client = await proxy.send(bodies.map(post).join(""));
    const text = await client.until((all) => answersIn(all) === 150 && all.endsWith("body-149"));
    expect([...text.matchAll(/body-\d+/g)].map(([body]) => body)).toEqual(bodies);
    expect(proxy.origin.seen).toHaveLength(150);
  });

  test("are not read without bound while the first one waits", async () => {
    await using proxy = await proxied(() => {});
    using client = await proxy.send(NEXT);
    await until("it is there", () => proxy.origin.seen.length === 1);
    for (let i = 0; i < 200; i++) client.write(NEXT.repeat(500));
    const [first] = proxy.origin.seen;
    if (first) reply(first, "ok");
    expect(await headOf(client)).toStartWith("HTTP/1.1 200 ");
  });
});

describe("fields", () => {
  test("go on as they came: order, case, repetition, 8-bit bytes, and blanks within", async () => {
    await using proxy = await proxied();
    using client = await wireClient(proxy.plane.url, "");
    const fields = "X-Two: a\r\nx-TWO: b\r\nX-Latin: caf\xe9\r\nEmpty:\r\nX-Wide:   a  b \r\n";
    const bytes = Buffer.from(`GET / HTTP/1.1\r\nHost: api.example.com\r\n${fields}\r\n`, "latin1");
    client.write(bytes as unknown as string);
    await headOf(client);
    expect(proxy.origin.seen[0]?.head).toContain(`Host: api.example.com\r\n${fields}`);
  });

  test("of an answer too: each WWW-Authenticate apart, its reason, and no Content-Type of ours", async () => {
    const head = [
      "HTTP/1.1 401 Go Away",
      "WWW-Authenticate: Negotiate",
      "WWW-Authenticate: Basic realm=x",
      "Location: /a",
      "Location: /b",
      "Content-Type:",
      "Content-Length: 2",
    ].join("\r\n");
    await using proxy = await proxied(({ socket }) => void socket.write(`${head}\r\n\r\nhi`));
    using client = await proxy.ask("GET /");
    const text = await client.until((all) => all.endsWith("hi"));
    expect(text).toBe(`${head}\r\nX-Ten-Instance: api:v1\r\n\r\nhi`);
  });

  test.each([
    "X-Forwarded-Port: 4711",
    "X-Forwarded-Prefix: /x",
    "Forwarded: for=1.2.3.4",
    "X-Real-IP: 1.2.3.4",
    "True-Client-IP: 1.2.3.4",
    "CF-Connecting-IP: 1.2.3.4",
    "X-Original-URL: /admin",
    "X-Rewrite-URL: /admin",
    "X_Forwarded_For: 1.2.3.4",
    "X-Real_IP: 1.2.3.4",
    "X_Tenement-Instance: api:v1",
  ])("%s of a stranger does not go on", async (field) => {
    await using proxy = await proxied();
    using client = await proxy.ask("GET /", `${field}\r\nX_Other: stays\r\n`);
    await headOf(client);
    const head = proxy.origin.seen[0]?.head ?? "";
    expect(head).not.toContain(field.split(": ")[1] ?? "");
    expect(fieldOf(head, "x_other")).toBe("stays");
    expect(fieldOf(head, "x-real-ip")).toBe("127.0.0.1");
  });

  test("200 are taken, 201 are 431, and so is a head of more than 64 KB", async () => {
    await using proxy = await proxied();
    const fields = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: 1\r\n`).join("");
    const status = async (rest: string) => {
      using client = await proxy.ask("GET /", rest);
      return (await headOf(client)).slice(9, 12);
    };
    expect(await status(fields(199))).toBe("200");
    expect(await status(fields(200))).toBe("431");
    expect(await status(`X: ${"x".repeat(65_000)}\r\n`)).toBe("200");
    expect(await status(`X: ${"x".repeat(66_000)}\r\n`)).toBe("431");
  });
});

describe("a body", () => {
  test.each(["GET", "HEAD", "DELETE", "BREW", "VERSION-CONTROL", "QUERY"])(
    "goes on with %s (RFC 9110 section 9.3.1)",
    async (method) => {
      await using proxy = await proxied();
      using client = await proxy.ask(`${method} /`, "Content-Length: 2\r\n\r\nhi".slice(0, -4));
      client.write("hi");
      expect(await headOf(client)).toStartWith("HTTP/1.1 200 ");
      await until("it is there", () => proxy.origin.seen[0]?.head.startsWith(`${method} / `));
    },
  );

  test("keeps its length, however long it is", async () => {
    const body = "x".repeat(2_000_000);
    await using proxy = await proxied((request) => reply(request, body));
    using client = await proxy.ask("GET /");
    const head = await headOf(client);
    expect(fieldOf(head, "content-length")).toBe(String(body.length));
    expect(fieldOf(head, "transfer-encoding")).toBeUndefined();
    await client.until((text) => text.endsWith(body));
  });

  test("and its head come apart when the app sends them apart", async () => {
    let begin = () => {};
    await using proxy = await proxied(({ socket }) => {
      socket.write(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
      );
      begin = () => void socket.write("6\r\n: hi\n\n\r\n");
    });
    using client = await proxy.ask("GET /");
    await headOf(client);
    begin();
    await client.until((text) => text.includes(": hi"));
  });

  test("in chunks passes with its extensions and trailers, both ways (RFC 9112 section 7.1)", async () => {
    const chunked = '3;ext="a b"\r\nabc\r\n2 ; x=1\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n';
    await using proxy = await proxied(({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}`);
    });
    using client = await proxy.ask("POST /", `Transfer-Encoding: chunked\r\n\r\n${chunked}`.slice(0, -2));
    const text = await client.until((all) => all.endsWith(chunked));
    expect(fieldOf(text, "trailer")).toBe("X-Sum");
    await until("it is whole", () => proxy.origin.seen[0]?.body() === chunked);
  });

  test.each([
    "0x5\r\nabcde",
    "5\nabcde",
    "5\r\nabcdeXY",
    "\r\nabc",
    "-1\r\n",
    "5;\x00\r\n",
    "11111111111111\r\n",
  ])("in chunks that begin with %j is 400, and nothing behind it is a request", async (chunk) => {
    await using proxy = await proxied();
    using client = await proxy.ask(
      "POST /",
      `Transfer-Encoding: chunked\r\n\r\n${chunk}\r\n0\r\n\r\n${NEXT}`,
    );
    const text = await headOf(client);
    expect(text).toStartWith("HTTP/1.1 400 ");
    expect(await client.closed).toBe("closed");
    expect(answersIn(client.text())).toBe(0);
  });
});

describe("interim answers (RFC 9110 section 15.2)", () => {
  test("103 passes with its fields", async () => {
    await using proxy = await proxied((request) => {
      request.socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
      reply(request, "ok");
    });
    using client = await proxy.ask("GET /");
    const text = await client.until((all) => all.endsWith("ok"));
    expect(text).toStartWith("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 ");
  });

  test("100 is the target's to say, once, and only to who expects it", async () => {
    await using proxy = await proxied((request) => {
      request.socket.write("HTTP/1.1 100 Continue\r\n\r\n");
      setTimeout(() => reply(request, "ok"), 20);
    });
    using expecting = await proxy.ask("POST /", "expect: 100-CONTINUE\r\nContent-Length: 2\r\n");
    await expecting.until((text) => text === "HTTP/1.1 100 Continue\r\n\r\n");
    expecting.write("hi");
    const text = await expecting.until((all) => all.endsWith("ok"));
    expect(text.match(/ 100 /g)).toHaveLength(1);
    using other = await proxy.ask("POST /", "Content-Length: 2\r\n\r\nhi".slice(0, -4));
    other.write("hi");
    expect(await other.until((all) => all.endsWith("ok"))).toStartWith("HTTP/1.1 200 ");
  });

  test("100 is said after a second by us, when the target does not say it", async () => {
    await using proxy = await proxied();
    using client = await proxy.ask("POST /", "Expect: 100-continue\r\nContent-Length: 2\r\n");
    await client.until((text) => text.includes(" 100 ") || text.includes(" 200 "));
  });

  test("100 is said for an own host too, at once", async () => {
    await using proxy = await proxied();
    using client = await proxy.send(
      "POST /api HTTP/1.1\r\nHost: example.com\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
    );
    await client.until((text) => text.startsWith("HTTP/1.1 100 "));
    client.write("hi");
    await client.until((text) => text.includes("own 127.0.0.1"));
  });

  test("a refusal of the target comes instead, and another expectation is 417", async () => {
    await using proxy = await proxied(({ socket }) => {
      socket.write("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    });
    using refused = await proxy.ask("POST /", "Expect: 100-continue\r\nContent-Length: 3\r\n");
    expect(await headOf(refused)).toStartWith("HTTP/1.1 413 ");
    using other = await proxy.ask("POST /", "Expect: 200-maybe\r\nContent-Length: 3\r\n");
    expect(await headOf(other)).toStartWith("HTTP/1.1 417 ");
  });
});

describe("connections", () => {
  test("who has ended his half gets his answer (nc -N)", async () => {
    await using proxy = await proxied((request) => {
      setTimeout(() => reply(request, "ok"), 30);
    });
    let text = "";
    const ended = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: Number(proxy.plane.url.port),
      allowHalfOpen: true,
      socket: {
        data(_, bytes) {
          text += bytes.toString();
        },
        end: (one) => {
          one.end();
          ended.resolve();
        },
        close: () => ended.resolve(),
      },
    });
    socket.write(NEXT);
    socket.shutdown();
    await ended.promise;
    expect(text).toEndWith("\r\n\r\nok");
  });

  test("HTTP/1.0 is kept alive when it asks for it, gets chunks unpacked, and needs no Host", async () => {
    await using proxy = await proxied(({ socket, head }) => {
      socket.data.isBegun = false;
      socket.data.text = "";
      if (head.includes("/length")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      else
        socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
    });
    const get = (path: string, rest = "") => `GET ${path} HTTP/1.0\r\nHost: api.example.com\r\n${rest}\r\n`;
    using client = await proxy.send(get("/length", "Connection: keep-alive\r\n"));
    const text = await client.until((all) => all.endsWith("ok"));
    expect(fieldOf(text, "connection")?.toLowerCase()).toBe("keep-alive");
    client.write(get("/chunks"));
    expect(await client.closed).toBe("closed");
    expect(client.text()).toEndWith("\r\n\r\nabc");
    expect(client.text().slice(text.length)).not.toContain("Transfer-Encoding");
    using bare = await proxy.send("GET /health HTTP/1.0\r\n\r\n");
    expect(await bare.until((all) => all.includes("own"))).toStartWith("HTTP/1.1 200 ");
  });

  test("an answer before the end of the request arrives, and is not reset", async () => {
    await using proxy = await proxied(({ socket }) => {
      socket.write("HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nno");
    });
    using client = await proxy.ask("POST /", "Content-Length: 900000\r\n");
    client.write("x".repeat(100_000));
    await client.until((text) => text.endsWith("no"));
    client.write("x".repeat(100_000));
    expect(await client.closed).toBe("closed");
  });

  test("a request split at any byte is the same request", async () => {
    await using proxy = await proxied((request) => reply(request, request.body()));
    const request = "POST /a HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 3\r\n\r\nabc";
    for (let at = 1; at < request.length; at++) {
      using client = await proxy.send(request.slice(0, at));
      await until("the first part is there", () => true);
      client.write(request.slice(at));
      expect(await client.until((text) => text.endsWith("abc"))).toStartWith("HTTP/1.1 200 ");
    }
  });

  test("what no request begins with is refused at once", async () => {
    await using proxy = await proxied();
    using client = await proxy.send("\x16\x03\x01\x02\x00");
    expect(await headOf(client)).toStartWith("HTTP/1.1 400 ");
    expect(await client.closed).toBe("closed");
  });

  test("another protocol than WebSocket is a tunnel too, h2c is not upgraded to", async () => {
    await using proxy = await proxied((request) => {
      if (!/^upgrade: /im.test(request.head)) return reply(request, "plain");
      request.socket.write(
        "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: raw\r\nX-A: 1\r\n\r\nhello",
      );
    });
    using client = await proxy.ask("GET /", "Connection: Upgrade\r\nUpgrade: raw\r\n");
    const text = await client.until((all) => all.endsWith("hello"));
    expect(fieldOf(text, "x-a")).toBe("1");
    client.write("anything");
    await until("it is there", () => proxy.origin.seen[0]?.body().endsWith("anything"));
    using h2c = await proxy.ask(
      "GET /",
      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n",
    );
    expect(await h2c.until((all) => all.endsWith("plain"))).toStartWith("HTTP/1.1 200 ");
    expect(fieldOf(proxy.origin.seen[1]?.head ?? "", "http2-settings")).toBeUndefined();
  });
});

describe("answers that only a strict reader refuses", () => {
  test.each([
    ["lines that end with a line feed", "HTTP/1.1 200 OK\nX-A: 1\nContent-Length: 2\n\nhi"],
    ["two blanks in the first line", "HTTP/1.1  200  OK\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nhi"],
    ["a status beyond 599", "HTTP/1.1 777 Odd\r\nX-A: 1\r\nContent-Length: 2\r\n\r\nhi"],
    ["a length twice", "HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi"],
    [
      "a blank behind a chunk's size",
      "HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n2 \r\nhi\r\n0\r\n\r\n",
    ],
  ])("%s", async (_, answer) => {
    await using proxy = await proxied(({ socket }) => void socket.write(answer));
    using client = await proxy.ask("GET /");
    const text = await client.until((all) => all.includes("hi"));
    expect(text).toMatch(/^HTTP\/1.1 (200|777) /);
    expect(fieldOf(text, "x-a")).toBe("1");
    expect(text.replaceAll("\r\n", "")).not.toContain("\n");
  });

  test.each([
    ["two framings", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nhi"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi"],
    ["a control character", "HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 2\r\n\r\nhi"],
    ["chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"],
    ["a folded line", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nhi"],
  ])("but not %s: 502", async (_, answer) => {
    await using proxy = await proxied(({ socket }) => void socket.write(answer));
    using client = await proxy.ask("POST /", "Content-Length: 0\r\n");
    expect(await headOf(client)).toStartWith("HTTP/1.1 502 ");
  });
});

test("what goes wrong between us and the program's own hosts is nobody's trouble", async () => {
  await using proxy = await proxied();
  using client = await proxy.send(
    "POST /api HTTP/1.1\r\nHost: example.com\r\nContent-Length: 900000\r\n\r\nabc",
  );
  client[Symbol.dispose]();
  expect(await (await proxy.get("example.com")).text()).toContain("own");
  expect(proxy.trouble).toEqual([]);
});

describe("a request that is said to be the last ends its connection in order, its answer whole (RFC 9112 section 9.6)", () => {
  const large = "x".repeat(3_000_000);

  test.each([
    ["close", "GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n"],
    ["HTTP/1.0", "GET / HTTP/1.0\r\nHost: api.example.com\r\n\r\n"],
    ["something behind it", `GET / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\r\n${NEXT}`],
    [
      "a body",
      "POST / HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab",
    ],
  ])("%s", async (_, request) => {
    await using proxy = await proxied((seen) => reply(seen, large));
    using client = await wireClient(proxy.plane.url, request);
    expect(await client.closed).toBe("closed");
    expect(client.text().endsWith(`\r\n\r\n${large}`)).toBe(true);
    expect(proxy.origin.seen.length).toBe(1);
  });
});
