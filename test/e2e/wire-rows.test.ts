// What broke real clients once, row by row of the trial that found it: the wire passes what came, as it came.
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import type { Socket } from "node:net";
import { until } from "../support/until.ts";
import { type Message, readAnswers, valuesOf } from "./wire/messages.ts";
import { HOST, OK, type Proxied, startProxied, type Talk } from "./wire/proxied.ts";

setDefaultTimeout(30_000);

let proxied: Proxied;
let talk: Talk;
beforeAll(async () => {
  proxied = await startProxied();
});
afterAll(() => proxied[Symbol.asyncDispose]());
beforeEach(async () => {
  proxied.forget();
  talk = await proxied.talk();
});
afterEach(() => void talk.socket.destroy());

const ask = (line: string, fields: readonly string[] = [], body = "") =>
  `${line} HTTP/1.1\r\nHost: ${HOST}\r\n${fields.map((field) => `${field}\r\n`).join("")}\r\n${body}`;
const sized = (line: string, body: string) => ask(line, [`Content-Length: ${body.length}`], body);
const lines = () => proxied.origin.requests.map(({ line }) => line);

const HANDSHAKE = [
  "Connection: keep-alive, Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];
const SWITCHED =
  "HTTP/1.1 101 Web Socket Protocol Handshake\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n";

/** Opens a tunnel; from then on the origin does `then` with its socket. */
async function tunnel(
  fields: readonly string[],
  glued: string,
  then: (socket: Socket) => void,
): Promise<Message> {
  proxied.answer((_, socket) => {
    socket.removeAllListeners("data");
    socket.write(SWITCHED);
    then(socket);
  });
  talk.send(ask("GET /ws", fields) + glued);
  const [answer] = await talk.answers(1);
  if (answer === undefined) throw new Error("no answer");
  return answer;
}

const afterHead = () => talk.text().slice(talk.text().indexOf("\r\n\r\n") + 4);

describe("W1", () => {
  test.each(["visitor", "app"])(
    "a message of 60 MB to a %s that does not read is not held",
    async (stalled) => {
      const message = Buffer.alloc(60 * 1024 * 1024, 1);
      let origin: Socket | undefined;
      await tunnel(HANDSHAKE, "", (socket) => {
        origin = socket;
        if (stalled === "app") socket.pause();
        else socket.write(message);
      });
      if (stalled === "visitor") talk.socket.pause();
      else talk.socket.write(message);
      const writer = stalled === "visitor" ? origin : talk.socket;
      if (writer === undefined) throw new Error("no tunnel");
      const taken = () => message.length - writer.writableLength;
      let before = -1;
      await until("nothing more is taken", async () => {
        const now = taken();
        const isStill = now === before;
        before = now;
        await Bun.sleep(300);
        return isStill;
      });
      expect(taken()).toBeLessThan(16 * 1024 * 1024);
      if (stalled === "visitor") talk.socket.resume();
      else origin?.resume();
      await until("all of it has passed", () => writer.writableLength === 0);
    },
  );
});

describe("W2", () => {
  test("a CRLF behind a body is no request", async () => {
    for (let times = 1; times <= 20; times++) {
      talk.send(`${sized("POST /println", "a=b")}\r\n`);
      const answers = await talk.answers(times);
      expect(answers[times - 1]?.line).toBe("HTTP/1.1 200 OK");
    }
    expect(proxied.origin.requests.map(({ body }) => body)).toEqual(Array(20).fill("a=b"));
  });

  test("150 pipelined POSTs are answered in order", async () => {
    proxied.answer(({ body }, socket) => {
      const send = () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
      // Some answers take longer than those of the requests behind them would.
      if (Number(body) % 7 === 0) setTimeout(send, 5);
      else send();
    });
    const bodies = Array.from({ length: 150 }, (_, at) => String(at));
    talk.send(bodies.map((body) => sized("POST /p", body)).join(""));
    const answers = await talk.answers(150);
    expect(answers.map(({ body }) => body)).toEqual(bodies);
    expect(proxied.origin.requests.map(({ body }) => body)).toEqual(bodies);
  });

  test("a request that comes while the one before is being answered waits its turn", async () => {
    const gate = Promise.withResolvers<void>();
    proxied.answer(async ({ line }, socket) => {
      if (line.includes("/slow")) await gate.promise;
      socket.write(OK);
    });
    talk.send(ask("GET /slow"));
    await until("the first has come", () => lines().length === 1);
    talk.send(ask("GET /next"));
    gate.resolve();
    expect((await talk.answers(2)).map(({ body }) => body)).toEqual(["ok", "ok"]);
    expect(lines()).toEqual(["GET /slow HTTP/1.1", "GET /next HTTP/1.1"]);
  });
});

describe("W3", () => {
  test.each(["/bucket/a/../d", "/bucket/a/./d", "/bucket/..", "/caf\xe9", "/caf\xe8", "/caf%c3%a9"])(
    "the key %j arrives as it is",
    async (key) => {
      talk.send(sized(`PUT ${key}`, "x"));
      await talk.answers(1);
      expect(lines()).toEqual([`PUT ${key} HTTP/1.1`]);
    },
  );

  test("what stands behind # never decides over another resource", async () => {
    talk.send(ask("DELETE /v/keep#ment"));
    const [answer] = await talk.answers(1);
    expect(answer?.line).toStartWith("HTTP/1.1 400 ");
    expect(lines()).toEqual([]);
  });
});

test("W4: fields that an app sends twice stay apart and in order", async () => {
  const fields = [
    "WWW-Authenticate: Negotiate",
    'WWW-Authenticate: Basic realm="x"',
    "X-Frame-Options: DENY",
    "X-Frame-Options: SAMEORIGIN",
    "Location: /a",
    "Location: /b",
  ];
  proxied.answer(`HTTP/1.1 401 Unauthorized\r\n${fields.join("\r\n")}\r\nContent-Length: 0\r\n\r\n`);
  talk.send(ask("GET /"));
  const [answer] = await talk.answers(1);
  const names = new Set(["www-authenticate", "x-frame-options", "location"]);
  expect(
    answer?.fields.filter((field) => names.has(field.slice(0, field.indexOf(":")).toLowerCase())),
  ).toEqual(fields);
});

test.each([1, 65_535, 65_537, 5_000_000])("W5: a body of %d bytes has its length", async (length) => {
  proxied.answer((_, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`);
    socket.write(Buffer.alloc(length, 120));
  });
  talk.send(ask("GET /"));
  const [answer] = await talk.answers(1);
  expect(valuesOf(answer?.fields ?? [], "content-length")).toEqual([String(length)]);
  expect(valuesOf(answer?.fields ?? [], "transfer-encoding")).toEqual([]);
});

test("W6: GET with a body arrives with it", async () => {
  talk.send(sized("GET /_search", '{"query":{}}'));
  talk.send(ask("GET /chunked", ["Transfer-Encoding: chunked"], "0\r\n\r\n"));
  await talk.answers(2);
  expect(proxied.origin.requests.map(({ line, body }) => [line, body])).toEqual([
    ["GET /_search HTTP/1.1", '{"query":{}}'],
    ["GET /chunked HTTP/1.1", ""],
  ]);
});

test("W7: the head of a stream is there before its first byte", async () => {
  let origin: Socket | undefined;
  proxied.answer((_, socket) => {
    origin = socket;
    socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  });
  talk.send(ask("GET /events"));
  await until("the head is there", () => talk.text().includes("\r\n\r\n"));
  expect(talk.text()).toStartWith("HTTP/1.1 200 OK\r\n");
  origin?.write("6\r\n: hi\n\n\r\n");
  await until("the first event is there", () => talk.text().includes(": hi"));
});

describe("W8", () => {
  test("the handshake passes as it is, and then bytes both ways", async () => {
    let heard = "";
    const extra = [
      ...HANDSHAKE,
      "Sec-WebSocket-Extensions: permessage-deflate",
      "Sec-WebSocket-Protocol: a, b",
    ];
    const glued = "\x89\x80\0\0\0\0";
    const answer = await tunnel(extra, glued, (socket) => {
      socket.on("data", (bytes) => {
        heard += bytes.toString("latin1");
        socket.write(`<${bytes.toString("latin1")}>`, "latin1");
      });
    });
    expect(answer.line).toBe("HTTP/1.1 101 Web Socket Protocol Handshake");
    expect(valuesOf(answer.fields, "set-cookie")).toEqual(["a=1", "b=2"]);
    expect(valuesOf(answer.fields, "upgrade")).toEqual(["WebSocket"]);
    expect(valuesOf(answer.fields, "sec-websocket-protocol")).toEqual([]);
    await until("the glued frame has come", () => heard === glued);
    const [seen] = proxied.origin.requests;
    expect(valuesOf(seen?.fields ?? [], "sec-websocket-key")).toEqual(["dGhlIHNhbXBsZSBub25jZQ=="]);
    expect(valuesOf(seen?.fields ?? [], "sec-websocket-extensions")).toEqual(["permessage-deflate"]);
    expect(valuesOf(seen?.fields ?? [], "upgrade")).toEqual(["websocket"]);
    // A close frame without a code, and one with 4000.
    talk.send("\x88\x80\0\0\0\0");
    await until("it comes back", () => afterHead().includes("\x88\x80\0\0\0\0"));
  });

  test.each([
    ["HTTP/1.1 401 Unauthorized", ["WWW-Authenticate: Basic", "Set-Cookie: a=1"], "who are you"],
    ["HTTP/1.1 302 Found", ["Location: /login"], ""],
    ["HTTP/1.1 503 Service Unavailable", ["Retry-After: 3"], "later"],
    ["HTTP/1.1 426 Upgrade Required", ["Sec-WebSocket-Version: 13, 8"], "old"],
    ["HTTP/1.1 200 OK", ["X-A: 1"], "no socket here"],
  ])("a refusal passes as it is: %s", async (line, fields, body) => {
    proxied.answer(`${line}\r\n${fields.join("\r\n")}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    talk.send(ask("GET /ws", HANDSHAKE));
    talk.send(ask("GET /next"));
    const answers = await talk.answers(2);
    expect(answers[0]?.line).toBe(line);
    expect(answers[0]?.fields).toEqual(expect.arrayContaining(fields));
    expect(answers[0]?.body).toBe(body);
  });

  test("another protocol than WebSocket is a tunnel too", async () => {
    proxied.answer((_, socket) => {
      socket.removeAllListeners("data");
      socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x-any\r\nConnection: Upgrade\r\n\r\nhello");
      socket.on("data", (bytes) => socket.write(bytes));
    });
    talk.send(ask("POST /attach", ["Connection: Upgrade", "Upgrade: x-any", "Content-Length: 0"]));
    await until("the first bytes are there", () => afterHead() === "hello");
    talk.send("there");
    await until("they come back", () => afterHead() === "hellothere");
  });

  test("the end of one side is the end of the other, and nothing is left", async () => {
    await tunnel(HANDSHAKE, "", (socket) => {
      socket.resume();
      setTimeout(() => socket.end("bye"), 5);
    });
    await until("the last bytes are there", () => afterHead() === "bye");
    await until("the tunnel has ended", () => talk.isOver);
    talk.socket.end();
    await until("nothing is open", () => proxied.origin.open === 0);
  });

  test("it is not asked for by HTTP/1.0, nor without the option in Connection", async () => {
    talk.send(ask("GET /ws", HANDSHAKE.slice(1)));
    await talk.answers(1);
    const old = await proxied.talk();
    old.send(`GET /ws HTTP/1.0\r\nHost: ${HOST}\r\n${HANDSHAKE.join("\r\n")}\r\n\r\n`);
    await old.answers(1);
    old.socket.destroy();
    expect(proxied.origin.requests.flatMap(({ fields }) => valuesOf(fields, "upgrade"))).toEqual([]);
  });
});

describe("W9", () => {
  test("1xx pass, trailers and reasons too", async () => {
    proxied.answer(
      "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 Splendid\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n",
    );
    talk.send(ask("GET /", ["TE: trailers"]));
    const [answer] = await talk.answers(1);
    expect(answer?.interim.map(({ line }) => line)).toEqual([
      "HTTP/1.1 102 Processing",
      "HTTP/1.1 103 Early Hints",
    ]);
    expect(answer?.line).toBe("HTTP/1.1 200 Splendid");
    expect(answer?.trailers).toEqual(["X-Sum: 1"]);
  });

  test("HTTP/1.0 keeps its connection when it asks for that, as ab -k does", async () => {
    for (let times = 1; times <= 3; times++) {
      talk.send(`GET /${times} HTTP/1.0\r\nHost: ${HOST}\r\nConnection: Keep-Alive\r\n\r\n`);
      const answers = await talk.answers(times);
      expect(
        valuesOf(answers[times - 1]?.fields ?? [], "connection")
          .join()
          .toLowerCase(),
      ).toBe("keep-alive");
    }
    expect(talk.isOver).toBe(false);
  });

  test("HTTP/1.0 that does not ask for that is closed, and gets no chunks", async () => {
    proxied.answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    talk.send(`GET / HTTP/1.0\r\nHost: ${HOST}\r\n\r\n`);
    expect(await talk.ended).toBe("end");
    const [answer] = readAnswers(talk.text(), [], true).messages;
    expect(answer?.body).toBe("abcde");
    expect(valuesOf(answer?.fields ?? [], "transfer-encoding")).toEqual([]);
  });

  test("who has finished sending gets the answer, as with nc -N", async () => {
    const gate = Promise.withResolvers<void>();
    proxied.answer(async (_, socket) => {
      await gate.promise;
      socket.write(OK);
    });
    talk.send(ask("GET /"));
    talk.socket.end();
    await until("the request has come", () => lines().length === 1);
    gate.resolve();
    expect((await talk.answers(1))[0]?.body).toBe("ok");
    expect(await talk.ended).toBe("end");
  });

  test.each(["100-continue", "100-CONTINUE"])(
    "Expect: %s: the body is asked for by the app, once",
    async (value) => {
      proxied.answer(({ body }, socket) =>
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
      );
      talk.send(ask("POST /", [`Expect: ${value}`, "Content-Length: 3"]));
      await until("100 has come", () => talk.text().startsWith("HTTP/1.1 100 "));
      talk.send("abc");
      const [answer] = await talk.answers(1);
      expect(answer?.body).toBe("abc");
      expect(answer?.interim.length).toBe(1);
    },
  );

  test("an app that refuses the body is heard before it is sent", async () => {
    proxied.answer(() => {});
    // The test's origin reads whole requests; this one looks at the head.
    talk.send(ask("POST /refuse", ["Expect: 100-continue", "Content-Length: 3"]));
    await until("100 comes from us when the app is silent", () => talk.text().startsWith("HTTP/1.1 100 "));
  });

  test("what cannot be expected is refused", async () => {
    talk.send(ask("GET /", ["Expect: 200-maybe"]));
    expect((await talk.answers(1))[0]?.line).toStartWith("HTTP/1.1 417 ");
  });
});

test("W10: what strangers say about themselves does not reach apps", async () => {
  const said = [
    "Forwarded: for=6.6.6.6",
    "X-Forwarded-For: 6.6.6.6",
    "X-Real-IP: 6.6.6.6",
    "CF-Connecting-IP: 6.6.6.6",
  ];
  talk.send(ask("GET /", said));
  await talk.answers(1);
  expect(proxied.origin.received()).not.toContain("6.6.6.6");
});

test("W11: HTTP/1.0 without Host is for the server itself, as HAProxy checks it", async () => {
  talk.send("OPTIONS /health HTTP/1.0\r\n\r\n");
  const [answer] = await talk.answers(1, ["OPTIONS"]);
  expect(answer?.line).toStartWith("HTTP/1.1 200 ");
  expect(answer?.body).toStartWith("own 127.0.0.1");
});

test("W12: an empty Content-Type stays the only one, and HEAD has the date that the app gave", async () => {
  proxied.answer(
    "HTTP/1.1 200 OK\r\nContent-Type:\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 5\r\n\r\n",
  );
  talk.send(ask("HEAD /"));
  const [answer] = await talk.answers(1, ["HEAD"]);
  expect(valuesOf(answer?.fields ?? [], "content-type")).toEqual([""]);
  expect(valuesOf(answer?.fields ?? [], "date")).toEqual(["Sun, 06 Nov 1994 08:49:37 GMT"]);
});

test.each([
  ["status 600", "HTTP/1.1 600 X\r\nContent-Length: 2\r\n\r\nok", "600"],
  ["status 999", "HTTP/1.1 999 X\r\nContent-Length: 2\r\n\r\nok", "999"],
  ["bare LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", "200"],
  [
    "blanks behind a chunk's size",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2  \r\nok\r\n0\r\n\r\n",
    "200",
  ],
  ["no reason and no blank", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", "200"],
])("W13: an app's answer with %s is taken", async (_, answered, status) => {
  proxied.answer(answered);
  talk.send(ask("GET /"));
  const [answer] = await talk.answers(1);
  expect(answer?.line.split(" ")[1]).toBe(status);
  expect(answer?.body).toBe("ok");
});

test.each([
  "VERSION-CONTROL",
  "LABEL",
  "UPDATE",
  "CHECKIN",
  "UNCHECKOUT",
  "MKWORKSPACE",
  "BASELINE-CONTROL",
  "BREW",
])("W14: %s is a method like others", async (method) => {
  talk.send(ask(`${method} /m`));
  expect((await talk.answers(1))[0]?.body).toBe("ok");
  expect(lines()).toEqual([`${method} /m HTTP/1.1`]);
});

test("W14: 192 fields pass", async () => {
  talk.send(
    ask(
      "GET /",
      Array.from({ length: 192 }, (_, at) => `X-${at}: ${at}`),
    ),
  );
  expect((await talk.answers(1))[0]?.body).toBe("ok");
});
