// The test app in Node; app.py and app.ts behave alike.
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const { env } = process;
if (env.FAIL_START === "1") {
  process.stderr.write("FAIL_START is set\n");
  process.exit(1);
}
let healthy = env.NEVER_HEALTHY !== "1";
let stopping = false;
let inFlight = 0;

const about = () => ({
  version: env.TEN_VERSION ?? null,
  instance: env.TEN_INSTANCE ?? null,
  pid: process.pid,
});

function answer(response, status, body) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  response.writeHead(status, {
    "content-type": typeof body === "string" ? "text/plain" : "application/json",
    "content-length": Buffer.byteLength(text),
    ...(stopping && { connection: "close" }),
  });
  response.end(text);
}

async function stream(response, chunks, ms) {
  response.writeHead(200, { "content-type": "text/plain" });
  for (let number = 0; number < chunks; number++) {
    await sleep(ms);
    response.write(`chunk ${number}\n`);
  }
  response.end();
}

async function route(request, response) {
  const { pathname, searchParams } = new URL(request.url, "http://app");
  const query = (name, fallback) => Number(searchParams.get(name) ?? fallback);
  const body = (await request.setEncoding("utf8").toArray()).join("");
  switch (pathname) {
    case "/":
      return answer(response, 200, about());
    case "/health":
      return answer(response, healthy ? 200 : 503, healthy ? "ok" : "unhealthy");
    case "/slow":
      await sleep(query("ms", 1000));
      return answer(response, 200, about());
    case "/stream":
      return stream(response, query("chunks", 10), query("ms", 100));
    case "/echo":
      return answer(response, 200, {
        method: request.method,
        path: request.url,
        headers: request.headers,
        body,
      });
    case "/crash":
      return process.exit(3);
    case "/unhealthy":
      healthy = !healthy;
      return answer(response, 200, { healthy });
    default:
      return answer(response, 404, "not found");
  }
}

function exitWhenIdle() {
  if (stopping && inFlight === 0) process.exit(0);
}

const server = createServer((request, response) => {
  inFlight++;
  response.on("close", () => {
    inFlight--;
    exitWhenIdle();
  });
  route(request, response).catch(() => response.destroy());
});
process.on("SIGTERM", () => {
  stopping = true;
  server.close();
  exitWhenIdle();
});
const port = env.WRONG_PORT === "1" ? 0 : Number(env.PORT ?? 0);
server.listen(port, env.HOST ?? "127.0.0.1", 512, () => {
  const { address, port } = server.address();
  process.stdout.write(`listening on ${address}:${port}\n`);
});
