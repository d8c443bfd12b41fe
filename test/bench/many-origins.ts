// So many origins in one process, each at a port of its own: `bun many-origins.ts COUNT` prints the ports as JSON.
const [count = "1"] = Bun.argv.slice(2);
const body = "x".repeat(1_024);
const ports = Array.from({ length: Number(count) }, () => {
  const options = { port: 0, hostname: "127.0.0.1", reusePort: false, development: false, idleTimeout: 0 };
  return Bun.serve({ ...options, fetch: () => new Response(body) }).port;
});
process.stdout.write(`${JSON.stringify(ports)}\n`);
