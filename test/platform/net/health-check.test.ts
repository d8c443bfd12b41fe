// One health check meets every kind of peer: it says what it met, in time, and never takes a stranger for an instance.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import {
  type CheckOptions,
  type CheckTarget,
  checkHealth,
  statusOf,
} from "../../../src/platform/net/health-check.ts";
import { createListeningPorts } from "../../../src/platform/net/listening-ports.ts";
import { readEphemeral } from "../../../src/platform/net/ports.ts";
import { systemClock as clock } from "../../../src/platform/time/clock.ts";
import { lacks } from "../../support/installed.ts";
import { createManualClock } from "../../support/manual-clock.ts";

const http = { path: "/health", hostHeader: "api.localhost" };
const local = (port: number, more: Partial<CheckTarget> = {}): CheckTarget => ({
  host: "127.0.0.1",
  port,
  ...more,
});
const check = (target: CheckTarget, more: Partial<CheckOptions> = {}) =>
  checkHealth(target, { clock, timeoutMs: 2000, ...more });

/** A server that sends this text to whoever connects, once it has heard something, and keeps what it heard. */
function scripted(...answers: string[]) {
  let heard = "";
  const closed = Promise.withResolvers<void>();
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      async data(socket, chunk) {
        heard += chunk.toString();
        for (const answer of answers.splice(0)) {
          if (answer === "close") socket.end();
          else if (answer === "reset") socket.terminate();
          else socket.write(answer);
          await Bun.sleep(0);
        }
      },
      close: () => closed.resolve(),
    },
  });
  return {
    port: server.port,
    heard: () => heard,
    closed: closed.promise,
    [Symbol.dispose]: () => server.stop(true),
  };
}

describe("the request", () => {
  test("is one GET with the Host given, and asks to close", async () => {
    using server = scripted("HTTP/1.1 200 OK\r\n\r\n", "close");
    expect(await check(local(server.port, { http }))).toMatchObject({ ok: true, detail: "status 200" });
    const lines = server.heard().split("\r\n");
    expect(lines[0]).toBe("GET /health HTTP/1.1");
    expect(lines).toContain("Host: api.localhost");
    expect(lines).toContain("Connection: close");
  });

  test("goes out exactly as configured, and a line break in a path adds no header", async () => {
    using server = scripted("HTTP/1.1 200 OK\r\n\r\n");
    await check(local(server.port, { http: { path: "//a/../b?c=d e\r\nX: y", hostHeader: "h" } }));
    expect(server.heard()).toStartWith("GET //a/../b?c=d%20e%0D%0AX:%20y HTTP/1.1\r\nHost: h\r\n");
  });

  test("without a path a connection is enough", async () => {
    using server = scripted();
    expect(await check(local(server.port))).toMatchObject({ ok: true, detail: "connected" });
  });
});

describe("the verdict", () => {
  test.each([
    [200, true],
    [204, true],
    [302, true],
    [399, true],
    [400, false],
    [404, false],
    [503, false],
  ])("status %d passes: %p", async (status, ok) => {
    using server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Response(null, { status, headers: { Location: "http://127.0.0.1:1/" } }),
    });
    expect(await check(local(server.port ?? 0, { http }))).toMatchObject({ ok, detail: `status ${status}` });
  });

  test("what passes can be chosen", async () => {
    using server = scripted("HTTP/1.1 404 Not Found\r\n\r\n");
    const passes = (status: number) => status < 500;
    expect((await check(local(server.port, { http }), { passes })).ok).toBe(true);
  });

  test.each([
    ["not an HTTP answer", ["SSH-2.0-OpenSSH\r\n"]],
    ["not an HTTP answer", ["HTTP/1.1 abc\r\n"]],
    [
      "an answer that is no valid HTTP: both Content-Length and Transfer-Encoding",
      ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"],
    ],
    [
      "an answer that is no valid HTTP: a control character in the head of the answer",
      ["HTTP/1.1 200 OK\r\nX: \x01\r\n\r\n"],
    ],
    ["closed without an answer", ["close"]],
    ["closed without an answer", ["HTTP/1.1 20", "close"]],
    ["connection reset", ["reset"]],
    ["an answer whose head does not end", [`HTTP/1.1 100 Continue\r\n${"x: y\r\n".repeat(12_000)}`]],
  ])("%s", async (detail, answers) => {
    using server = scripted(...answers);
    const { ok, ...result } = await check(local(server.port, { http }));
    expect(ok).toBe(false);
    // A close with unread bytes is a reset to the kernel: both are said as they are met.
    if (answers.at(-1) === "reset")
      expect(["connection reset", "closed without an answer"]).toContain(result.detail);
    else expect(result.detail).toBe(detail);
  });

  test("a refused connection and an unknown name are told", async () => {
    const server = scripted();
    server[Symbol.dispose]();
    expect(await check(local(server.port, { http }))).toMatchObject({
      ok: false,
      detail: "connection refused",
      absent: true,
    });
    const unknown = await check({ host: "no-such-host.invalid", port: 80, http });
    expect(unknown).toMatchObject({ ok: false, detail: "name not found" });
  });

  test.each<[string, number | "garbage" | undefined]>([
    ["", undefined],
    ["HTT", undefined],
    ["HTTP/1.1 ", undefined],
    ["HTTP/1.1 200", undefined],
    ["HTTP/1.1 200\r\n", 200],
    ["HTTP/1.0 503 Busy\n", 503],
    ["HTTP/1.1 100 Continue\r\n\r\n", undefined],
    ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 X\r\n", 204],
    ["HTTP/2 200\r\n", "garbage"],
    ["HTTP/1.1 2000\r\n", "garbage"],
    ["GET / HTTP/1.1\r\n", "garbage"],
  ])("the status of %j is %p", (head, status) => {
    expect(statusOf(head)).toBe(status as number);
  });
});

describe("time", () => {
  test("a peer that accepts and says nothing times out, and its socket is let go", async () => {
    using server = scripted();
    const manual = createManualClock();
    const result = check(local(server.port, { http }), { clock: manual });
    while (!server.heard()) await Bun.sleep(1);
    await manual.advance(2000);
    expect(await result).toEqual({
      ok: false,
      latencyMs: 2000,
      detail: "timed out after 2 s, waiting for an answer",
    });
    await server.closed;
  });

  test.skipIf(lacks("python3"))(
    "a peer whose backlog is full times out too, and the half-open socket is not kept",
    async () => {
      const script = `
import socket, sys
server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen(0)
held = []
for _ in range(3):
    held.append(socket.socket()); held[-1].setblocking(False); held[-1].connect_ex(server.getsockname())
print(server.getsockname()[1], flush=True); sys.stdin.read()`;
      await using peer = Bun.spawn(["python3", "-c", script], { stdin: "pipe", stdout: "pipe" });
      const port = Number(new TextDecoder().decode((await peer.stdout.getReader().read()).value));
      const result = await check(local(port, { http }), { timeoutMs: 100 });
      expect(result).toMatchObject({ ok: false, detail: "timed out after 0.1 s, connecting" });
      if (process.platform !== "linux") return;
      const hex = port.toString(16).toUpperCase().padStart(4, "0");
      const inode = readFileSync("/proc/net/tcp", "utf8")
        .split("\n")
        .filter((line) => line.includes(`:${hex} 02`));
      expect(inode.length).toBeLessThanOrEqual(3);
    },
  );

  test("the verdict does not wait for a body that drips, and the body ends with the time", async () => {
    using server = scripted("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx");
    const manual = createManualClock();
    expect(await check(local(server.port, { http }), { clock: manual })).toMatchObject({ ok: true });
    await manual.advance(2000);
    await server.closed;
  });

  test("a body without an end is cut at 64 KB", async () => {
    using server = scripted(
      "HTTP/1.1 200 OK\r\n\r\n",
      ..."x"
        .repeat(10)
        .split("")
        .map(() => "y".repeat(8192)),
    );
    expect(await check(local(server.port, { http }), { timeoutMs: 60_000 })).toMatchObject({ ok: true });
    await server.closed;
  });

  test("a cancelled check says nothing about the target", async () => {
    using server = scripted();
    const abort = new AbortController();
    const result = check(local(server.port, { http }), { signal: abort.signal });
    abort.abort();
    expect(await result).toMatchObject({ ok: false, inconclusive: true, detail: "cancelled" });
    expect(await check(local(server.port), { signal: abort.signal })).toMatchObject({ inconclusive: true });
  });
});

describe("who answered", () => {
  test.skipIf(process.platform !== "linux")("a stranger on the port never passes the gate", async () => {
    using stranger = scripted("HTTP/1.1 200 OK\r\n\r\n");
    await using instance = Bun.spawn(["sleep", "100"], { detached: true });
    const listeners = createListeningPorts(clock);
    const isOwn = () => listeners.ownsListener({ pid: instance.pid, nonce: "none" }, stranger.port);
    const detail = "answered by a process that is not the instance";
    expect(await check(local(stranger.port, { http }), { isOwn })).toMatchObject({ ok: false, detail });
    expect(await check(local(stranger.port), { isOwn })).toMatchObject({ ok: false, detail });
  });

  test("where it cannot be known, the answer counts", async () => {
    using server = scripted("HTTP/1.1 200 OK\r\n\r\n");
    expect((await check(local(server.port, { http }), { isOwn: () => undefined })).ok).toBe(true);
  });

  test.skipIf(process.platform !== "linux").each([undefined, http])(
    "a connection that met itself never passes, and leaves the port free at once (%p)",
    async (request) => {
      const { range } = readEphemeral();
      const port = range.first + 2 * Math.floor(Math.random() * ((range.last - range.first) / 2));
      let result = await check(local(port));
      // Whatever others do with the port meanwhile (a stranger's answer included) is not what this is about.
      for (let tries = 0; tries < 100_000 && result.detail !== "connected to itself"; tries++) {
        result = await check(local(port, request ? { http: request } : {}));
      }
      expect(result).toMatchObject({ ok: false, detail: "connected to itself" });
      const both = `0100007F:${port.toString(16).toUpperCase()}`;
      expect(readFileSync("/proc/net/tcp", "utf8")).not.toContain(`${both} ${both}`);
    },
    180_000,
  );
});

describe("ours, not theirs", () => {
  test("a check without a descriptor left to make it with is inconclusive", async () => {
    const script = `
      import { openSync } from "node:fs";
      import { systemClock as clock } from ${JSON.stringify(require.resolve("../../../src/platform/time/clock.ts"))};
      import { checkHealth } from ${JSON.stringify(require.resolve("../../../src/platform/net/health-check.ts"))};
      process.stdout.write("");
      const check = () => checkHealth({ host: "127.0.0.1", port: 1 }, { clock, timeoutMs: 2000 });
      await check();
      try { for (;;) openSync("/dev/null", "r"); } catch {}
      console.log(JSON.stringify(await check()));`;
    const limited = [
      "sh",
      "-c",
      'ulimit -Hn 256; ulimit -Sn 256; exec "$0" -e "$1"',
      process.execPath,
      script,
    ];
    const result = Bun.spawnSync(limited);
    expect(JSON.parse(result.stdout.toString())).toMatchObject({ ok: false, inconclusive: true });
  });
});
