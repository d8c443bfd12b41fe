// A server takes its directory, its socket and its port for itself, or says in one line who has them.
import { afterEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { Fault } from "../../../src/core/fault.ts";
import { claimSocket, portTurn, probePort } from "../../../src/platform/net/unix-socket.ts";
import { claimDirectory } from "../../../src/platform/storage/data-directory.ts";
import { systemClock as clock } from "../../../src/platform/time/clock.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { createTempDir } from "../../support/temp-dir.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function temp(): ReturnType<typeof createTempDir> {
  const directory = createTempDir();
  cleanups.push(() => directory[Symbol.dispose]());
  return directory;
}

async function faultOf(act: () => unknown): Promise<Fault> {
  try {
    await act();
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
  throw new Error("no fault");
}

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);
const ten = { program: "ten" };

/** Another process that claims the directory, says how that went, and holds it until it is ended. */
async function claimant(path: string) {
  const script = `
    import { claimDirectory } from ${JSON.stringify(require.resolve("../../../src/platform/storage/data-directory.ts"))};
    try { globalThis.held = claimDirectory(${JSON.stringify(path)}, { program: "ten" }); console.log("claimed"); }
    catch (error) { console.log(error.code); }
    await Bun.stdin.text();`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdin: "pipe", stdout: "pipe" });
  cleanups.push(() => child.kill("SIGKILL"));
  const { value } = await child.stdout.getReader().read();
  return { child, said: new TextDecoder().decode(value).trim() };
}

describe("claimDirectory", () => {
  test("makes the directory, closes it to others and notes the pid", () => {
    const path = temp().file("a/data");
    using claimed = claimDirectory(path, ten);
    expect(claimed.path).toBe(path);
    expect(modeOf(path)).toBe("700");
    expect(readFileSync(`${path}/ten.pid`, "utf8")).toBe(`${process.pid}\n`);
  });

  test("a second server on it is told who holds it", async () => {
    const path = temp().file("data");
    const { child, said } = await claimant(path);
    expect(said).toBe("claimed");
    const refused = await faultOf(() => claimDirectory(path, ten));
    expect(refused).toMatchObject({
      code: "conflict",
      exitCode: 4,
      message: `another ten serve (pid ${child.pid}) runs on the data directory ${JSON.stringify(path)}`,
    });
    expect(refused.message).not.toContain("\n");
  });

  test("a holder that is killed lets go at once", async () => {
    const path = temp().file("data");
    const { child } = await claimant(path);
    child.kill("SIGKILL");
    await child.exited;
    claimDirectory(path, ten)[Symbol.dispose]();
  });

  test("disposing lets go, and ten and slum do not get in each other's way", () => {
    const path = temp().file("data");
    claimDirectory(path, ten)[Symbol.dispose]();
    using _ten = claimDirectory(path, ten);
    using _slum = claimDirectory(path, { program: "slum" });
  });

  test("of eight starts at once exactly one gets it", async () => {
    const path = temp().file("data");
    const results = await Promise.all(Array.from({ length: 8 }, () => claimant(path)));
    expect(results.map(({ said }) => said).sort()).toEqual(["claimed", ...Array(7).fill("conflict")]);
  });

  test("a directory that it made goes with it unless it is to be kept, and with it what it made above", () => {
    const directory = temp();
    const path = directory.file("a/b/data");
    claimDirectory(path, ten)[Symbol.dispose]();
    expect(readdirSync(directory.path)).toEqual([]);
    mkdirSync(directory.file("a"));
    writeFileSync(directory.file("a/somebody's"), "");
    claimDirectory(path, ten)[Symbol.dispose]();
    expect(readdirSync(directory.file("a"))).toEqual(["somebody's"]);
    {
      using kept = claimDirectory(path, ten);
      kept.keep();
    }
    expect(readdirSync(path).sort()).toEqual(["ten.lock", "ten.pid"]);
    claimDirectory(path, ten)[Symbol.dispose]();
    expect(readdirSync(path).sort()).toEqual(["ten.lock", "ten.pid"]);
  });

  test("a directory that it made stays when the other program has it by then", () => {
    const path = temp().file("data");
    const claimed = claimDirectory(path, ten);
    using _slum = claimDirectory(path, { program: "slum" });
    claimed[Symbol.dispose]();
    expect(readdirSync(path)).toContain("slum.lock");
  });

  test("children of the holder do not keep the lock", async () => {
    const path = temp().file("data");
    const claimed = claimDirectory(path, ten);
    await using _child = Bun.spawn(["sleep", "100"], { detached: true });
    claimed[Symbol.dispose]();
    claimDirectory(path, ten)[Symbol.dispose]();
  });

  test("a directory that is open to others is closed when it is empty or ours, and left alone otherwise", async () => {
    const directory = temp();
    const path = directory.file("data");
    mkdirSync(path, { mode: 0o755 });
    claimDirectory(path, ten)[Symbol.dispose]();
    chmodSync(path, 0o755);
    claimDirectory(path, ten)[Symbol.dispose]();
    expect(modeOf(path)).toBe("700");
    const foreign = directory.file("foreign");
    mkdirSync(foreign);
    chmodSync(foreign, 0o777);
    writeFileSync(`${foreign}/file`, "");
    const refused = await faultOf(() => claimDirectory(foreign, ten));
    expect(refused.message).toEndWith("is open to other users (mode 777)");
    expect(modeOf(foreign)).toBe("777");
    expect(existsSync(`${foreign}/ten.lock`)).toBe(false);
  });

  test("a file in its place is told", async () => {
    const path = temp().file("data");
    writeFileSync(path, "");
    expect(await faultOf(() => claimDirectory(path, ten))).toMatchObject({ code: "usage" });
  });
});

describe("claimSocket", () => {
  const serve = (path: string) => {
    const server = Bun.serve({ unix: path, fetch: () => new Response("hello") });
    cleanups.push(() => server.stop(true));
    return server;
  };

  test.each(["ten.sock", `${"d".repeat(110)}/ten.sock`])(
    "the socket is its user's only (%s)",
    async (name) => {
      const directory = temp();
      mkdirSync(directory.file("d".repeat(110)));
      const path = directory.file(name);
      await claimSocket(path, clock, serve);
      expect(modeOf(path)).toBe("600");
      expect(await (await fetch("http://ten/", { unix: path })).text()).toBe("hello");
      expect(await faultOf(() => claimSocket(path, clock, serve))).toMatchObject({ code: "conflict" });
    },
  );

  test("the socket of a server that was killed is replaced", async () => {
    const path = temp().file("ten.sock");
    const script = `Bun.serve({ unix: ${JSON.stringify(path)}, fetch: () => new Response() }); console.log("up");`;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
    await child.stdout.getReader().read();
    child.kill("SIGKILL");
    await child.exited;
    expect(existsSync(path)).toBe(true);
    await claimSocket(path, clock, serve);
    expect(await (await fetch("http://ten/", { unix: path })).text()).toBe("hello");
  });

  test("the umask of the process is as before", async () => {
    const before = process.umask();
    await claimSocket(temp().file("ten.sock"), clock, serve);
    await faultOf(() => claimSocket("/no/such/ten.sock", clock, serve));
    expect(process.umask()).toBe(before);
  });

  test("a file that is no socket is never removed", async () => {
    const path = temp().file("ten.sock");
    writeFileSync(path, "precious");
    expect(await faultOf(() => claimSocket(path, clock, serve))).toMatchObject({ code: "conflict" });
    expect(readFileSync(path, "utf8")).toBe("precious");
  });
});

describe("probePort", () => {
  test("a free port passes and stays free", () => {
    using server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { port } = server;
    server.stop(true);
    probePort("127.0.0.1", port);
    probePort("0.0.0.0", port);
  });

  test.each([false, true])(
    "a port that somebody listens on is a conflict that names them (sharing: %p)",
    async (reusePort) => {
      using server = Bun.serve({ hostname: "127.0.0.1", port: 0, reusePort, fetch: () => new Response() });
      const taken = await faultOf(() => probePort("0.0.0.0", server.port ?? 0));
      expect(taken).toMatchObject({ code: "conflict", exitCode: 4 });
      expect(taken.message).toStartWith(`port ${server.port} is taken`);
      if (process.platform === "linux") expect(taken.message).toEndWith(`(pid ${process.pid})`);
    },
  );

  test.each(["192.0.2.1", "nobody.invalid", "nonsense"])(
    "%s is told to be no address of ours",
    async (host) => {
      const { code, message, hint } = await faultOf(() => probePort(host, 0));
      expect([code, message, hint]).toEqual([
        "usage",
        `"${host}" is no address of this machine`,
        "correct --host",
      ]);
    },
  );

  test("a listener of node without sharing is noticed too", async () => {
    const server = createServer().listen(0, "::");
    await new Promise((resolve) => server.once("listening", resolve));
    cleanups.push(() => server.close());
    const { port } = server.address() as { port: number };
    expect((await faultOf(() => probePort("127.0.0.1", port))).code).toBe("conflict");
  });
});

describe("a turn at a port", () => {
  /** Somebody who has the name of the turn, as a user. */
  async function squat(port: number, uid: number): Promise<void> {
    const script = `
      process.setgid(${uid}); process.setuid(${uid});
      globalThis.held = Bun.listen({ unix: "\\0ten-port-${port}", socket: { data() {} } });
      console.log("held");
      await Bun.stdin.text();`;
    const child = Bun.spawn([process.execPath, "-e", script], { stdin: "pipe", stdout: "pipe" });
    cleanups.push(() => child.kill("SIGKILL"));
    await child.stdout.getReader().read();
  }

  const isRoot = process.getuid?.() === 0 && process.platform === "linux";
  const NOBODY = 65_534;

  test.skipIf(!isRoot)(
    "another user, with whom no port is shared, is not waited for (needs root)",
    async () => {
      const hand = createManualClock();
      await squat(1, NOBODY);
      // Nobody moves this clock: what waits by it waits for ever.
      (await portTurn(1, hand))[Symbol.dispose]();
    },
  );

  test.skipIf(process.platform !== "linux")("one of our own is waited for until it has ended", async () => {
    const first = await portTurn(2, clock);
    let isMine = false;
    const second = portTurn(2, clock).then((turn) => {
      isMine = true;
      return turn;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isMine).toBe(false);
    first[Symbol.dispose]();
    (await second)[Symbol.dispose]();
  });
});
