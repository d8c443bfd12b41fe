// Which process listens on a port is known, so that a stranger is never taken for an instance.
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { createListeningPorts, portHolder } from "../../../src/platform/net/listening-ports.ts";
import { readProcesses } from "../../../src/platform/process/proc.ts";
import { createProcesses, type ManagedProcess } from "../../../src/platform/process/process.ts";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { lacks } from "../../support/installed.ts";
import { createTempDir } from "../../support/temp-dir.ts";
import { until } from "../../support/until.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A process that runs a Python script which prints the port it listens on. */
async function listening(script: string): Promise<{ process: ManagedProcess; port: number }> {
  const directory = createTempDir();
  cleanups.push(() => directory[Symbol.dispose]());
  const stdoutPath = directory.file("out");
  const child = createProcesses(systemClock).start({
    argv: ["python3", "-S", "-c", `import os,socket,sys,time\n${script}`],
    env: { PATH: process.env.PATH ?? "" },
    cwd: directory.path,
    stdoutPath,
    stderrPath: directory.file("err"),
    nonce: `test-${crypto.randomUUID()}`,
  });
  cleanups.push(() => child.stop(0));
  const port = Number(await until("it listens", () => readFileSync(stdoutPath, "utf8").trim()));
  return { process: child, port };
}

const serve = (host: string, family = "AF_INET") => `
s = socket.socket(socket.${family}); s.bind(("${host}", 0)); s.listen(5)
print(s.getsockname()[1], flush=True); time.sleep(100)`;

const inGrandchild = (script: string) => `
if os.fork() == 0:
${script.replaceAll("\n", "\n ")}
time.sleep(100)`;

const cannotRun = process.platform !== "linux" || lacks("python3");

describe.skipIf(cannotRun)("ownsListener", () => {
  // To everybody but root its descriptors look like those of another user.
  test("a process that has ended, and that nobody has waited for, hides nothing", async () => {
    const { process: owner } = await listening(`
if os.fork() == 0: os._exit(1)
print(1, flush=True); time.sleep(100)`);
    const stranger = await listening(serve("127.0.0.1"));
    const isThere = () => readProcesses().some(({ zombie, session }) => zombie && session === owner.pid);
    await until("its child has ended", isThere);
    expect(createListeningPorts(systemClock).ownsListener(owner, stranger.port)).toBe(false);
    expect(createListeningPorts(systemClock).listeningPorts(owner)).toEqual([]);
  });

  test.each([
    ["127.0.0.1", serve("127.0.0.1")],
    ["the wildcard", serve("0.0.0.0")],
    ["the IPv6 wildcard", serve("::", "AF_INET6")],
    ["a mapped address", serve("::ffff:127.0.0.1", "AF_INET6")],
    ["127.0.0.1, in a grandchild", inGrandchild(serve("127.0.0.1"))],
  ])("a listener on %s is the session's own, and no other's", async (_, script) => {
    const { process: owner, port } = await listening(script);
    const stranger = await listening(serve("127.0.0.1"));
    const listeners = createListeningPorts(systemClock);
    expect(listeners.ownsListener(owner, port)).toBe(true);
    expect(listeners.ownsListener(owner, port)).toBe(true);
    expect(listeners.ownsListener(stranger.process, port)).toBe(false);
    expect(listeners.ownsListener(owner, stranger.port)).toBe(false);
  });

  test("another address of the machine does not count", async () => {
    const { process: owner, port } = await listening(serve("127.0.0.2"));
    const listeners = createListeningPorts(systemClock);
    expect(listeners.ownsListener(owner, port)).toBe(false);
    expect(listeners.listeningPorts(owner)).toEqual([{ address: "127.0.0.2", port }]);
  });

  test("::1 counts where that is asked, and 127.0.0.1 then does not", async () => {
    const { process: owner, port } = await listening(serve("::1", "AF_INET6"));
    const listeners = createListeningPorts(systemClock);
    expect(listeners.ownsListener(owner, port, "::1")).toBe(true);
    expect(listeners.ownsListener(owner, port)).toBe(false);
    const everywhere = await listening(serve("::", "AF_INET6"));
    expect(listeners.ownsListener(everywhere.process, everywhere.port, "::1")).toBe(true);
    const v4 = await listening(serve("127.0.0.1"));
    expect(listeners.ownsListener(v4.process, v4.port, "::1")).toBe(false);
  });

  test("what has left the session is its own by its mark", async () => {
    const { process: owner, port } = await listening(inGrandchild(`\nos.setsid()${serve("127.0.0.1")}`));
    const listeners = createListeningPorts(systemClock);
    expect(listeners.ownsListener(owner, port)).toBe(true);
    expect(listeners.ownsListener(owner, port)).toBe(true);
    expect(listeners.ownsListener({ ...owner, pid: owner.pid, nonce: "another" }, port)).toBe(false);
    expect(listeners.listeningPorts(owner)).toEqual([{ address: "127.0.0.1", port }]);
  });

  test("a port shared with a stranger (SO_REUSEPORT) is not its own", async () => {
    const shared = (port: number) => `
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1); s.bind(("127.0.0.1", ${port})); s.listen(5)
print(s.getsockname()[1], flush=True); time.sleep(100)`;
    const owner = await listening(shared(0));
    expect(createListeningPorts(systemClock).ownsListener(owner.process, owner.port)).toBe(true);
    const stranger = await listening(shared(owner.port));
    const listeners = createListeningPorts(systemClock);
    expect(listeners.ownsListener(owner.process, owner.port)).toBe(false);
    expect(listeners.ownsListener(stranger.process, owner.port)).toBe(false);
  });

  test("an own yes is forgotten the moment that the port changes hands", async () => {
    const first = await listening(serve("127.0.0.1"));
    const listeners = createListeningPorts(systemClock);
    expect(listeners.ownsListener(first.process, first.port)).toBe(true);
    await first.process.stop(0);
    expect(listeners.ownsListener(first.process, first.port)).toBe(false);
    using stranger = Bun.listen({ hostname: "127.0.0.1", port: first.port, socket: { data() {} } });
    expect(listeners.ownsListener(first.process, stranger.port)).toBe(false);
  });

  test("a connection is not a listener, whatever its local port", async () => {
    using server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const client = await listening(`
s = socket.create_connection(("127.0.0.1", ${server.port}))
print(s.getsockname()[1], flush=True); time.sleep(100)`);
    const listeners = createListeningPorts(systemClock);
    expect(listeners.ownsListener(client.process, client.port)).toBe(false);
    expect(listeners.listeningPorts(client.process)).toEqual([]);
  });
});

describe.skipIf(cannotRun)("messages", () => {
  test("the wrong port that a process listens on is told, with its address", async () => {
    const v6 = await listening(serve("::1", "AF_INET6"));
    expect(createListeningPorts(systemClock).listeningPorts(v6.process)).toEqual([
      { address: "[::1]", port: v6.port },
    ]);
  });

  test("who holds a port is told by name", async () => {
    const { process: owner, port } = await listening(serve("127.0.0.1"));
    expect(portHolder(port)).toEqual({ pid: owner.pid, name: expect.stringContaining("python") });
    await owner.stop(0);
    expect(portHolder(port)).toBeUndefined();
  });
});
