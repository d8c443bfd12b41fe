// The test app in Bun; app.py and app.mjs behave alike.
const { env } = process;
if (env.FAIL_START === "1") {
  process.stderr.write("FAIL_START is set\n");
  process.exit(1);
}
let healthy = env.NEVER_HEALTHY !== "1";

const about = () => ({
  version: env.TEN_VERSION ?? null,
  instance: env.TEN_INSTANCE ?? null,
  pid: process.pid,
});

async function* stream(chunks: number, ms: number) {
  for (let number = 0; number < chunks; number++) {
    await Bun.sleep(ms);
    yield `chunk ${number}\n`;
  }
}

async function route(request: Request): Promise<Response> {
  const { pathname, search, searchParams } = new URL(request.url);
  const query = (name: string, fallback: number) => Number(searchParams.get(name) ?? fallback);
  const body = await request.text();
  switch (pathname) {
    case "/":
      return Response.json(about());
    case "/health":
      return new Response(healthy ? "ok" : "unhealthy", { status: healthy ? 200 : 503 });
    case "/slow":
      await Bun.sleep(query("ms", 1000));
      return Response.json(about());
    case "/stream":
      return new Response(stream(query("chunks", 10), query("ms", 100)), {
        headers: { "content-type": "text/plain" },
      });
    case "/echo": {
      const headers = Object.fromEntries(request.headers);
      return Response.json({ method: request.method, path: pathname + search, headers, body });
    }
    case "/crash":
      return process.exit(3);
    case "/unhealthy":
      healthy = !healthy;
      return Response.json({ healthy });
    default:
      return new Response("not found", { status: 404 });
  }
}

const server = Bun.serve({
  port: env.WRONG_PORT === "1" ? 0 : Number(env.PORT ?? 0),
  hostname: env.HOST ?? "127.0.0.1",
  reusePort: false,
  development: false,
  idleTimeout: 0,
  fetch: route,
});
process.on("SIGTERM", async () => {
  await server.stop();
  process.exit(0);
});
process.stdout.write(`listening on ${server.hostname}:${server.port}\n`);
