// Sockets that systemd holds: of a socket unit, of its store, and those of slum through its own restarts.
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, closeSync } from "node:fs";
import { join } from "node:path";
import { startLoad } from "../support/constant-load.ts";
import { receiveDatagrams } from "../support/datagrams.ts";
import { freePort } from "../support/free-port.ts";
import { askByTls } from "../support/https-client.ts";
import { makeAuthority, makeCertificate } from "../support/make-certificate.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { startSlum } from "./slum.ts";
import { startTen, tomlFor } from "./ten.ts";

setDefaultTimeout(180_000);

const DIST = join(import.meta.dir, "../../dist");
const ACTIVATE = Bun.which("systemd-socket-activate");
const BOTH = "--fdname=http:https";
/** As systemd does: holds the sockets, starts the server with them, and starts it again when it ends. */
const MANAGER = `while [ -d "$0" ] && [ ! -e "$0/over" ]; do
  sh -c 'export LISTEN_PID=$$; echo $$ >"$0/pid"; exec "$@"' "$0" "$@"
done`;
const isLinux = process.platform === "linux";

/** A server that systemd-socket-activate starts with the first connection, on a port that it has opened. */
async function activate(
  program: "ten" | "slum",
  prepare: (dir: string) => Promise<void>,
  ...flags: string[]
) {
  const temp = createTempDir();
  const [port, httpsPort] = await Promise.all([freePort(), freePort()]);
  await prepare(temp.path);
  const keeper = flags.includes(BOTH) ? ["sh", "-c", MANAGER, temp.path] : [];
  const words = [
    ACTIVATE ?? "",
    `--listen=127.0.0.1:${port}`,
    ...flags,
    ...keeper,
    join(DIST, program),
    "serve",
  ];
  // The second is for https, known by its name.
  if (flags.includes(BOTH)) {
    words.splice(2, 0, `--listen=127.0.0.1:${httpsPort}`);
    words.push("--https", ...(program === "slum" ? ["--certificates", temp.path] : []));
  }
  const child = Bun.spawn([...words, "--data-dir", temp.file("data")], {
    cwd: temp.path,
    env: { PATH: process.env.PATH, HOME: temp.path, NO_COLOR: "1" },
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(temp.file("log")),
  });
  const pid = async () => Number(await Bun.file(temp.file("pid")).text());
  return {
    port,
    httpsPort,
    child,
    log: () => Bun.file(temp.file("log")).text(),
    /** Of the server that is running now, where it is started again. */
    pid,
    async [Symbol.asyncDispose]() {
      if (keeper.length === 0) child.kill("SIGTERM");
      else {
        await Bun.write(temp.file("over"), "");
        process.kill(await pid(), "SIGTERM");
      }
      await child.exited;
      temp[Symbol.dispose]();
    },
  };
}

/** The answer once somebody listens: the first connection is what starts the server. */
const health = (port: number) =>
  until("the server answers", () =>
    fetch(`http://127.0.0.1:${port}/health`, { proxy: false }).then(
      ({ status }) => status,
      () => undefined,
    ),
  );

const withToml = (settings: string) => async (dir: string) => {
  await Bun.write(
    join(dir, "tenement.toml"),
    tomlFor("bun").replace("[settings]", `[settings]\n${settings}`),
  );
};

describe.skipIf(ACTIVATE === null)("systemd-socket-activate (skipped where it is missing)", () => {
  test.each([1, 2])("ten serves on the socket that it is given, with workers = %i", async (workers) => {
    await using unit = await activate("ten", withToml(`workers = ${workers}`));
    expect(await health(unit.port)).toBe(200);
    expect(await unit.log()).not.toContain("is taken");
  });

  test("slum serves on the socket that it is given", async () => {
    await using unit = await activate("slum", async () => {});
    expect(await health(unit.port)).toBe(200);
  });

  test.each([
    ["ten", 1],
    ["ten", 2],
    ["slum", 1],
  ] as const)(
    "%s serves http and https on the two that it is given, with workers = %i, and through restarts no connection fails",
    async (program, workers) => {
      const root = makeAuthority("test root");
      const { certificate, key } = makeCertificate(root, { names: ["api.test"] });
      const prepare = async (dir: string) => {
        if (program === "ten") await withToml(`workers = ${workers}\ncertificates = ["."]`)(dir);
        await Bun.write(join(dir, "api.pem"), `${certificate}${key}`);
        chmodSync(join(dir, "api.pem"), 0o600);
      };
      await using unit = await activate(program, prepare, BOTH);
      expect(await health(unit.port)).toBe(200);
      const visit = { port: unit.httpsPort, name: "api.test", ca: root.certificate };
      // Nobody has such a service, and that is said over https.
      expect((await askByTls(visit)).status).toBe(404);
      const each = { connections: 4, method: "GET", each: true } as const;
      const none = async () => 0;
      await using plain = await startLoad(unit.port, { ...each, host: "plain.test" }, none);
      await using secure = await startLoad(unit.httpsPort, { ...each, host: "api.test", tls: true }, none);
      for (const signal of ["SIGTERM", "SIGTERM"] as const) {
        const before = await unit.pid();
        process.kill(before, signal);
        await until("the next one is started", async () => ![before, 0].includes(await unit.pid()));
        for (let turn = 0; turn < 20; turn++) expect((await askByTls(visit)).status).toBe(404);
      }
      for (const load of [plain, secure]) {
        const { failed } = await load.end();
        // All have been answered: connections that fail are counted under other names.
        expect(failed).toEqual({ "404": expect.any(Number) as unknown as number });
      }
      expect(await unit.log()).not.toContain("is taken");
    },
  );

  test("a connection instead of a socket is refused by name", async () => {
    await using unit = await activate("ten", withToml("workers = 1"), "--accept");
    await until("it says why", async () => {
      await fetch(`http://127.0.0.1:${unit.port}/health`, { proxy: false }).catch(() => {});
      return (await unit.log()).includes("is no TCP socket that listens");
    });
    expect(await unit.log()).toContain("Accept=no");
  });
});

test.skipIf(!isLinux)(
  "systemd is given the socket to keep, and while nobody serves connections wait",
  async () => {
    using dir = createTempDir();
    using manager = receiveDatagrams(dir.file("notify"));
    await using ten = await startTen({ env: { NOTIFY_SOCKET: dir.file("notify") } });
    const { descriptor, message } = await manager.nextPassed();
    expect(message).toBe("FDSTORE=1\nFDNAME=visitors\n");
    ten.kill("SIGKILL");
    await ten.exited;
    // Nobody serves; systemd has the socket.
    const waiting = fetch(`http://127.0.0.1:${ten.port}/health`, { proxy: false });
    const words = [join(DIST, "ten"), "serve", "--port", String(ten.port)];
    const passing = Bun.spawn(
      ["sh", "-c", 'export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=visitors; exec "$@"', "sh", ...words],
      {
        cwd: ten.dir,
        env: { PATH: process.env.PATH, HOME: dir.path },
        stdio: ["ignore", "ignore", "ignore", descriptor],
      },
    );
    expect((await waiting).status).toBe(200);
    closeSync(descriptor);
    passing.kill("SIGTERM");
    expect(await passing.exited).toBe(0);
  },
);

describe.skipIf(!isLinux)("slum", () => {
  test.each(["SIGQUIT", "--replace"])(
    "a connection for each request, through %s and a start",
    async (how) => {
      await using slum = await startSlum();
      const { port } = slum;
      let seen = 0;
      using origin = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        fetch() {
          seen += 1;
          return new Response("ok");
        },
      }) as unknown as Disposable & { port: number };
      await slum.ok("server", "add", "iad", `http://127.0.0.1:${origin.port}`);
      await slum.ok("tenant", "add", "acme", "acme.example.com", "iad", "api");
      const how2 = { host: "acme.example.com", connections: 8, method: "GET", each: true } as const;
      await using load = await startLoad(port, how2, async () => seen);
      for (let round = 0; round < 2; round++) {
        await load.more(500);
        const first = slum.exited;
        if (how === "SIGQUIT") slum.kill("SIGQUIT");
        await until("it can be started again", () =>
          slum.start(0, ...(how === "SIGQUIT" ? [] : ["--replace"])).then(
            () => true,
            () => false,
          ),
        );
        expect(slum.port).toBe(port);
        expect(await first).toBe(0);
      }
      await load.more(500);
      const { ok, failed } = await load.end();
      expect(failed).toEqual({});
      expect(ok).toBeGreaterThan(1_500);
    },
  );
});
