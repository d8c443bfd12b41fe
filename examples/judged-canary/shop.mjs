// A small shop; what its versions do differently is said by each of them.
import { createServer } from "node:http";

/** `fails(path)` and `waitMs()` are asked for each request; `crashAbove` ends it at more requests than that in a second. */
export function start({ fails = () => false, waitMs = () => 0, crashAbove = Number.POSITIVE_INFINITY } = {}) {
  const { PORT, HOST = "127.0.0.1", TEN_VERSION } = process.env;
  let inThisSecond = 0;
  setInterval(() => {
    inThisSecond = 0;
  }, 1000).unref();
  createServer((request, response) => {
    if (request.url === "/health") return response.end("ok\n");
    inThisSecond += 1;
    if (inThisSecond > crashAbove) process.exit(1);
    const isBroken = fails(request.url);
    setTimeout(
      () => {
        response.statusCode = isBroken ? 500 : 200;
        response.end(isBroken ? "broken\n" : `${TEN_VERSION}\n`);
      },
      5 + Math.random() * 10 + waitMs(),
    );
  }).listen(Number(PORT), HOST);
  process.on("SIGTERM", () => process.exit(0));
}
