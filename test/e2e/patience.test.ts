// Commands that wait for longer than any idle timer, without a line of progress: they are answered all the same.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { startTen, untilState } from "./ten.ts";

/** Longer than the 12 s at which Bun's own timer cuts a quiet connection. */
const QUIET_SECS = 15;

/** Answers its health path only after a while, and streams an event a second. */
const APP = `
const { HOST: hostname, PORT, SLOW_CHECK } = process.env;
const born = Date.now();
async function* ticks() { for (;;) { yield "data: tick\\n\\n"; await Bun.sleep(1_000); } }
Bun.serve({
  port: Number(PORT), hostname, idleTimeout: 0,
  async fetch(request) {
    if (request.url.endsWith("/events")) return new Response(ticks(), { headers: { "content-type": "text/event-stream" } });
    if (SLOW_CHECK && Date.now() - born > 2_000) await Bun.sleep(${QUIET_SECS * 1000});
    return new Response("ok");
  },
});
`;

const service = (name: string, more = "") => `
[service.${name}]
command = ${JSON.stringify(process.execPath)}
args = ["app.ts"]
health = "/health"
drain_timeout = ${QUIET_SECS * 2}
${more}`;

test("stop and restart with a stream open, and a check that takes its time, end as they should after 15 s of silence", async () => {
  await using ten = await startTen({
    toml: [
      service("halt"),
      service("again"),
      service("check", "health_check_timeout = 30\nhealth_check_interval = 3600\nenv = { SLOW_CHECK = '1' }"),
    ].join("\n"),
    prepare: (dir) => void Bun.write(`${dir}/app.ts`, APP),
  });
  await Promise.all(["halt", "again", "check"].map((name) => ten.ok("spawn", `${name}:v1`)));
  await Promise.all(["halt", "again", "check"].map((name) => untilState(ten, `${name}:v1`, "healthy")));
  const streams = new AbortController();
  await Promise.all(
    ["halt", "again"].map(async (name) => {
      const { body } = await fetch(`http://127.0.0.1:${ten.port}/events`, {
        headers: { Host: `${name}.localhost` },
        signal: streams.signal,
      });
      await body?.getReader().read();
    }),
  );
  await Bun.sleep(2_500);
  const begun = performance.now();
  // As the first on their connections, without a body: those are the ones that were cut.
  const ask = async (method: string, path: string) => {
    const unix = join(ten.dataDir, "ten.sock");
    const answer = await fetch(`http://localhost${path}`, { method, unix, timeout: false, keepalive: false });
    return ((await answer.json()) as { id: string }).id;
  };
  const [stopped, restarted, checked] = await Promise.all([
    ten.run("stop", "halt:v1", "--force"),
    ask("POST", "/api/instances/again:v1/restart"),
    ask("GET", "/api/instances/check:v1/health"),
  ]);
  streams.abort();
  expect(stopped).toMatchObject({ exit: 0, stderr: expect.stringContaining("halt:v1 stopped") });
  expect([restarted, checked]).toEqual(["again:v1", "check:v1"]);
  // It did wait: else this shows nothing.
  expect(performance.now() - begun).toBeGreaterThan((QUIET_SECS - 1) * 1000);
});
