// The app behind the tests of real clients, on node's own server, which takes and shows everything that HTTP/1.1 has.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const listeners = new Set();

function echo(request, response) {
  const chunks = [];
  request.on("data", (bytes) => chunks.push(bytes));
  request.on("end", () => {
    const { method, url, rawHeaders, httpVersion, rawTrailers } = request;
    const body = Buffer.concat(chunks);
    const text = body.length < 1_000 ? body.toString("latin1") : undefined;
    const seen = { method, url, rawHeaders, httpVersion, rawTrailers, length: body.length, text };
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(seen));
  });
}

function challenge({ headers }, response) {
  if (headers.authorization === `Basic ${Buffer.from("user:pass").toString("base64")}`)
    return response.end("hello user");
  response.statusCode = 401;
  response.setHeader("WWW-Authenticate", ["Negotiate", 'Basic realm="here"']);
  response.end("who are you");
}

const WAYS = {
  "/health": (_, response) => response.end("ok"),
  "/echo": echo,
  "/challenge": challenge,
  "/megabyte": (_, response) => {
    response.writeHead(200, { "Content-Type": "application/octet-stream", "Content-Length": 1_000_000 });
    response.end(Buffer.alloc(1_000_000, 120));
  },
  "/trailers": (_, response) => {
    response.writeHead(200, { Trailer: "X-Sum", "Content-Type": "text/plain" });
    response.write("body");
    response.addTrailers({ "X-Sum": "42" });
    response.end();
  },
  "/hints": (_, response) => {
    response.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
    response.writeProcessing();
    response.end("late");
  },
  "/refuse": (_, response) => {
    response.writeHead(413, { Connection: "close" });
    response.end("too much");
  },
  "/events": (_, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.flushHeaders();
    listeners.add(response);
    response.on("close", () => listeners.delete(response));
  },
  "/fire": (_, response) => {
    for (const each of listeners) each.write("data: fired\n\n");
    response.end(String(listeners.size));
  },
  "/page": (_, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end("<!doctype html><title>page</title>");
  },
};

const pathOf = ({ url }) => url.split("?")[0];
const server = createServer((request, response) => (WAYS[pathOf(request)] ?? echo)(request, response));
// Without this, node says 100 by itself before the app is asked.
server.on("checkContinue", (request, response) => {
  if (pathOf(request) !== "/refuse") response.writeContinue();
  server.emit("request", request, response);
});
server.on("upgrade", (request, socket) => {
  const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash("sha1").update(key).digest("base64");
  const fields = ["Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Accept: ${accept}`];
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\n${fields.join("\r\n")}\r\nSet-Cookie: ws=1; Path=/\r\n\r\n`,
  );
  socket.write(Buffer.from([0x81, 2, 0x68, 0x69]));
  socket.on("error", () => {});
  socket.on("data", () => {});
  socket.on("end", () => socket.end());
});
server.listen(Number(process.env.PORT), "127.0.0.1");
