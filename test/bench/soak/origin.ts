// The app behind the soak scenarios: it answers, hangs, streams events, echoes, and can stop listening while it lives on.
export {};

const KILOBYTE = "x".repeat(1_024);
let hanging = 0;

function hang(signal: AbortSignal): Promise<Response> {
  hanging += 1;
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => {
      hanging -= 1;
      resolve(new Response(null, { status: 499 }));
    });
  });
}

/** So many events, each with the time at which it was written, on the clock that all processes share. */
async function* events(count: number) {
  for (let number = 0; number < count; number++) {
    await Bun.sleep(5);
    yield `data: ${performance.timeOrigin + performance.now()}\n\n`;
  }
}

async function* endless() {
  const block = new Uint8Array(65_536).fill(120);
  for (;;) yield block;
}

const server = Bun.serve({
  port: Number(process.argv[2]),
  hostname: "127.0.0.1",
  reusePort: false,
  development: false,
  idleTimeout: 0,
  fetch(request, self) {
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case "/1k":
        return new Response(KILOBYTE);
      case "/hang":
        return hang(request.signal);
      case "/hanging":
        return new Response(String(hanging));
      case "/endless":
        return new Response(endless());
      case "/events":
        return new Response(events(Number(searchParams.get("count"))), {
          headers: { "content-type": "text/event-stream" },
        });
      case "/socket":
        return self.upgrade(request) ? undefined : new Response("no", { status: 400 });
      case "/deafen":
        // The answer to this goes out, and connects are refused from then on.
        void server.stop();
        return new Response("deaf", { headers: { connection: "close" } });
      default:
        return new Response("ok");
    }
  },
  websocket: { perMessageDeflate: false, message: (socket, message) => void socket.send(message) },
});
// Also when nothing listens any more.
setInterval(() => {}, 60_000);
process.on("SIGTERM", () => process.exit(0));
