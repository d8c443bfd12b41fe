// Listening sockets that are held apart from who accepts on them, and that go to other processes.
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  adoptListeningSocket,
  canShareSockets,
  type ListeningSocket,
  offerSocket,
  openListeningSocket,
  takeSocket,
} from "../../../src/platform/net/listening-socket.ts";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { createTempDir } from "../../support/temp-dir.ts";
import { until } from "../../support/until.ts";

const HERE = { host: "127.0.0.1", port: 0 };

/** Accepts on a socket and answers each connection with a word. */
function serve(socket: ListeningSocket, word: string): Disposable {
  const listener = Bun.listen({
    fd: socket.duplicate(),
    socket: {
      data(client: Bun.Socket) {
        client.write(word);
        client.end();
      },
    },
  } as unknown as Bun.TCPSocketListenOptions<undefined>);
  return { [Symbol.dispose]: () => listener.stop() };
}

/** What a connection of its own is answered. */
async function ask(port: number, hostname = "127.0.0.1"): Promise<string> {
  const answer = Promise.withResolvers<string>();
  let text = "";
  const socket = await Bun.connect({
    hostname,
    port,
    socket: {
      data(_, bytes) {
        text += bytes.toString();
      },
      close: (_, error) => (error ? answer.reject(error) : answer.resolve(text)),
      error: (_, error) => answer.reject(error),
    },
  });
  socket.write("?");
  return answer.promise;
}

const openFiles = () => readdirSync("/proc/self/fd").length;

describe.skipIf(!canShareSockets())("a listening socket", () => {
  test("lets connections wait while nobody accepts, and whoever comes next has them", async () => {
    using socket = openListeningSocket(HERE);
    const { port } = socket.address;
    const waiting = Promise.all(Array.from({ length: 100 }, () => ask(port)));
    using _first = serve(socket, "first");
    expect(new Set(await waiting)).toEqual(new Set(["first"]));
  });

  test("says where it listens, also for IPv6", () => {
    using four = openListeningSocket(HERE);
    expect(four.address).toEqual({ host: "127.0.0.1", port: expect.any(Number) });
    using six = openListeningSocket({ host: "::1", port: 0 });
    expect(six.address.host).toBe("::1");
    using all = openListeningSocket({ host: "0.0.0.0", port: 0 });
    expect(all.address.host).toBe("0.0.0.0");
  });

  test("is not shared with a stranger, and free again when it is disposed", () => {
    using socket = openListeningSocket(HERE);
    expect(() => openListeningSocket(socket.address)).toThrow(
      expect.objectContaining({ code: "EADDRINUSE" }),
    );
    socket[Symbol.dispose]();
    openListeningSocket(socket.address)[Symbol.dispose]();
  });

  test("takes a connection each from who stops to who begins, and none is lost", async () => {
    using socket = openListeningSocket(HERE);
    const { port } = socket.address;
    const seen: Record<string, number> = {};
    let serving = serve(socket, "0");
    let left = 2_000;
    const visitor = async () => {
      while (left-- > 0) {
        const word = await ask(port).catch(() => "failed");
        seen[word] = (seen[word] ?? 0) + 1;
      }
    };
    const visitors = Promise.all([visitor(), visitor(), visitor(), visitor()]);
    for (let turn = 1; left > 0; turn = 1 - turn) {
      const target = left - 50;
      await until("some were served", () => left <= Math.max(0, target));
      const next = serve(socket, String(turn));
      serving[Symbol.dispose]();
      serving = next;
    }
    await visitors;
    serving[Symbol.dispose]();
    expect(seen.failed).toBeUndefined();
    expect((seen["0"] ?? 0) + (seen["1"] ?? 0)).toBe(2_000);
    expect(seen["1"]).toBeGreaterThan(0);
  });

  test("goes to each process that asks for it, with where it was meant to listen", async () => {
    using dir = createTempDir();
    const path = dir.file("listen.sock");
    using socket = openListeningSocket(HERE);
    await using _offer = await offerSocket(
      path,
      { asked: { host: "localhost", port: 0 }, socket },
      systemClock,
    );
    const script = `
      const { takeSocket } = await import(${JSON.stringify(join(import.meta.dir, "../../../src/platform/net/listening-socket.ts"))});
      const { systemClock } = await import(${JSON.stringify(join(import.meta.dir, "../../../src/platform/time/clock.ts"))});
      const { asked, socket } = await takeSocket(${JSON.stringify(path)}, systemClock);
      const other = Bun.spawnSync(["sh", "-c", "ls -l /proc/self/fd"], { stderr: "ignore" }).stdout.toString();
      if (/ ([3-9]|\\d\\d+) -> socket:/.test(other)) throw new Error("a child has it: " + other);
      Bun.listen({ fd: socket.duplicate(), socket: { data(client) { client.write("child " + asked.host); client.end(); } } });
      console.log("listening");
    `;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
    try {
      const { value } = await child.stdout.getReader().read();
      expect(new TextDecoder().decode(value)).toBe("listening\n");
      expect(await ask(socket.address.port)).toBe("child localhost");
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
  });

  test("is known to be served by the next, once that says so", async () => {
    using dir = createTempDir();
    const path = dir.file("listen.sock");
    using socket = openListeningSocket(HERE);
    let served = 0;
    await using _offer = await offerSocket(path, { asked: HERE, socket }, systemClock, () => {
      served += 1;
    });
    const [hesitant, willing] = [await takeSocket(path, systemClock), await takeSocket(path, systemClock)];
    hesitant?.settle(false);
    willing?.settle(true);
    await until("it is served", () => served > 0);
    expect(served).toBe(1);
    for (const taken of [hesitant, willing]) taken?.socket[Symbol.dispose]();
  });

  test("is asked for in vain where nobody offers one, where something else is, and nothing stays open", async () => {
    using dir = createTempDir();
    const before = openFiles();
    expect(await takeSocket(dir.file("none"), systemClock)).toBeUndefined();
    const other = dir.file("other");
    {
      using _listening = Bun.listen({
        unix: other,
        socket: { open: (socket) => void socket.end('{"host":"a","port":1}'), data() {} },
      }) as unknown as Disposable;
      expect(await takeSocket(other, systemClock)).toBeUndefined();
    }
    expect(adoptListeningSocket(999)).toBeUndefined();
    await until("all is closed", () => openFiles() <= before);
  });

  test("is offered to its user only, and the name is gone afterwards", async () => {
    using dir = createTempDir();
    const path = dir.file("listen.sock");
    using socket = openListeningSocket(HERE);
    const before = openFiles();
    {
      await using _offer = await offerSocket(path, { asked: HERE, socket }, systemClock);
      for (let times = 0; times < 20; times++) {
        const taken = await takeSocket(path, systemClock);
        expect(taken?.socket.address).toEqual(socket.address);
        taken?.socket[Symbol.dispose]();
        taken?.settle(false);
      }
    }
    expect(readdirSync(dir.path)).toEqual([]);
    await until("all is closed", () => openFiles() <= before);
    expect(readFileSync("/proc/net/tcp", "utf8")).toContain(
      `:${socket.address.port.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 0A`,
    );
  });
});
