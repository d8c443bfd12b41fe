// An app whose version says how it does: `good`, `fails`, `unavailable`, `slow`, `leaks-20` (percent of errors), `rejects`, `mute`, `crashes`,
// `strings` (JSON of another shape). At /copies it tells what copies of requests it has had.
export {};

const { env } = process;
const version = env.TEN_VERSION ?? "";
const share = Number(/leaks-(\d+)/.exec(version)?.[1] ?? 0) / 100;
let owed = 0;

const copies = { all: 0, withCookie: 0, withAuthorization: 0 };

function count(headers: Headers): void {
  if (headers.get("x-ten-shadow") !== "1") return;
  copies.all += 1;
  if (headers.has("cookie")) copies.withCookie += 1;
  if (headers.has("authorization")) copies.withAuthorization += 1;
}

async function answer(): Promise<Response> {
  if (version.startsWith("fails")) return new Response("no", { status: 500 });
  if (version.startsWith("unavailable")) return new Response("later", { status: 503 });
  if (version.startsWith("rejects")) return new Response("who are you", { status: 401 });
  if (version.startsWith("slow")) await Bun.sleep(40);
  if (version.startsWith("mute")) await new Promise(() => {});
  owed += share;
  if (owed < 1) return new Response(version);
  owed -= 1;
  return new Response("no", { status: 500 });
}

Bun.serve({
  port: Number(env.PORT),
  hostname: env.HOST ?? "127.0.0.1",
  reusePort: false,
  development: false,
  idleTimeout: 0,
  fetch({ url, headers }) {
    const { pathname } = new URL(url);
    if (pathname === "/health") return new Response("ok");
    if (pathname === "/copies") return Response.json(copies);
    count(headers);
    if (pathname.startsWith("/orders/") && !version.startsWith("fails"))
      return Response.json({ total: version.startsWith("strings") ? "1" : 1 });
    if (pathname === "/crash" && version.startsWith("crashes")) process.exit(3);
    return answer();
  },
});
