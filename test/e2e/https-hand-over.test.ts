// The listening socket of https outlives who serves on it, as that of http does: a handshake for each request, through restarts and
// changes of workers, and not one is refused.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { join } from "node:path";
import { certificateDirectory } from "../support/certificate-directory.ts";
import { startLoad } from "../support/constant-load.ts";
import { freePort } from "../support/free-port.ts";
import { askByTls } from "../support/https-client.ts";
import { makeAuthority, makeCertificate } from "../support/make-certificate.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { NO_PROCESS } from "../support/workers.ts";
import { startFleet } from "./fleet.ts";
import { moreAnswered, restart as restartUnder, setWorkers, workersOf } from "./hand-over.ts";
import { startSlumWith } from "./slum.ts";
import type { Ten } from "./ten.ts";

setDefaultTimeout(180_000);

/** How much load each step sees before the next one; HANDOVER_PER_STEP for the figure of the documentation. */
const PER_STEP = Number(process.env.HANDOVER_PER_STEP ?? 150);
const HOST = "api.shop.test";
const root = makeAuthority("hand-over root");
const isLinux = process.platform === "linux";

async function begin(workers: number) {
  const certs = certificateDirectory(root);
  certs.put("shop.pem", "shop.test", "*.shop.test");
  const port = await freePort();
  const ten = await startFleet({
    settings: `workers = ${workers}\ncertificates = [${JSON.stringify(certs.path)}]\n[acme]\nauthorities = ["none"]`,
    serve: ["--https", "--https-port", String(port), "--domain", "shop.test", "--host", "127.0.0.1"],
  });
  await ten.ok("deploy", "api:v1");
  return {
    ten,
    port,
    certs,
    async [Symbol.asyncDispose]() {
      await ten[Symbol.asyncDispose]();
      certs[Symbol.dispose]();
    },
  };
}

const more = (ten: Ten) => moreAnswered(ten, PER_STEP);

const load = (port: number, host = HOST) =>
  startLoad(port, { host, connections: 6, method: "GET", each: true, tls: true }, () => Promise.resolve(0));

const restart = (ten: Ten, signal?: NodeJS.Signals) => restartUnder(ten, PER_STEP, signal);

describe.skipIf(!isLinux)("a handshake for each request", () => {
  test("through SIGQUIT and a start, --replace, kill -9, and from one worker to three and back", async () => {
    await using all = await begin(1);
    const { ten, port } = all;
    await using visitors = await load(port);
    await restart(ten);
    await more(ten);
    await ten.start("--replace");
    for (const count of [3, 1]) {
      setWorkers(ten, count);
      await restart(ten);
      expect(workersOf(ten).length).toBeGreaterThanOrEqual(count === 1 ? 0 : count);
    }
    setWorkers(ten, 2);
    await restart(ten);
    await restart(ten, "SIGKILL");
    const [one = NO_PROCESS] = workersOf(ten);
    process.kill(one, "SIGTERM");
    await until("it has ended", () => !workersOf(ten).includes(one));
    await more(ten);
    const { ok, failed } = await visitors.end();
    if (process.env.HANDOVER_PER_STEP) process.stderr.write(`${JSON.stringify({ ok, failed })}\n`);
    expect(failed).toEqual({});
    expect(ok).toBeGreaterThan(10 * PER_STEP);
    const offers = () => readdirSync(ten.dataDir).filter((name) => /^(?:listen|secure)_/.test(name));
    // What was killed has left its own.
    expect(offers()).toEqual(
      expect.arrayContaining([`listen_${ten.pid}.sock`, `secure_${ten.pid}.sock`]) as string[],
    );
  });

  test.each(["SIGQUIT", "--replace"])("slum: through %s and a start", async (how) => {
    using certs = certificateDirectory(root);
    certs.put("acme.pem", "acme.test");
    const port = await freePort();
    const words = ["--https", "--https-port", String(port), "--host", "127.0.0.1", "--acme", "none"];
    await using slum = await startSlumWith({ words: [...words, "--certificates", certs.path] });
    let seen = 0;
    const origin = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch() {
        seen += 1;
        return new Response("ok");
      },
    });
    await slum.ok("server", "add", "iad", `http://127.0.0.1:${origin.port}`);
    await slum.ok("tenant", "add", "acme", "acme.test", "iad", "api");
    const how2 = { host: "acme.test", connections: 6, method: "GET", each: true, tls: true } as const;
    await using visitors = await startLoad(port, how2, async () => seen);
    for (let round = 0; round < 2; round++) {
      await visitors.more(PER_STEP);
      const first = slum.exited;
      if (how === "SIGQUIT") slum.kill("SIGQUIT");
      await until("it can be started again", () =>
        slum.start(0, ...(how === "SIGQUIT" ? [] : ["--replace"])).then(
          () => true,
          () => false,
        ),
      );
      expect(await first).toBe(0);
    }
    await visitors.more(PER_STEP);
    const { ok, failed } = await visitors.end();
    expect(failed).toEqual({});
    expect(ok).toBeGreaterThan(3 * PER_STEP);
    await origin.stop(true);
  });
});

/** Visitors by HTTP/2: of one kind each request has a connection of its own, of the other it is kept until the server says to go. */
function visitByHttp2(port: number) {
  const failed: string[] = [];
  let ok = 0;
  let isOver = false;
  const open = () =>
    new Promise<ClientHttp2Session>((resolve, reject) => {
      const session = connect(`https://127.0.0.1:${port}`, { servername: HOST, rejectUnauthorized: false });
      session.once("connect", () => resolve(session));
      session.once("error", reject);
    });
  const ask = (session: ClientHttp2Session) =>
    new Promise<void>((resolve, reject) => {
      const stream = session.request({ ":path": "/", ":authority": HOST });
      let status = 0;
      stream.on("response", (headers) => {
        status = Number(headers[":status"]);
      });
      stream.on("error", reject);
      stream.on("close", () => (status === 200 ? resolve() : reject(new Error(`status ${status}`))));
      stream.resume();
    });
  const visit = async (keeps: boolean) => {
    let session = undefined as ClientHttp2Session | undefined;
    let isTold = false;
    const current = async () => {
      if (session !== undefined && !isTold && !session.destroyed && !session.closed) return session;
      const opened = await open();
      isTold = false;
      opened.on("goaway", () => {
        isTold = true;
      });
      opened.on("error", () => {});
      session = opened;
      return opened;
    };
    while (!isOver) {
      try {
        await ask(await current());
        ok += 1;
      } catch (thrown) {
        // What it has been told to take elsewhere was not lost.
        if (!isTold) failed.push(`${keeps ? "kept" : "own"}: ${thrown}`);
        session?.destroy();
        session = undefined;
      }
      if (keeps) await new Promise((turn) => setTimeout(turn, 2));
      else session?.close();
      if (!keeps) session = undefined;
    }
    session?.destroy();
  };
  const all = Promise.all([visit(false), visit(false), visit(true), visit(true)]);
  return {
    ok: () => ok,
    async end() {
      isOver = true;
      await all;
      return failed;
    },
  };
}

test.skipIf(!isLinux)("HTTP/2: nothing is lost through SIGQUIT and a start, and --replace", async () => {
  await using all = await begin(1);
  const visitors = visitByHttp2(all.port);
  const more = async () => {
    const before = visitors.ok();
    await until("more are answered", () => visitors.ok() > before + 60);
  };
  await more();
  all.ten.kill("SIGQUIT");
  await all.ten.exited;
  await more();
  await all.ten.start();
  await more();
  await all.ten.start("--replace");
  await more();
  expect(await visitors.end()).toEqual([]);
});

describe("workers", () => {
  test("share certificates: replaced under load, given by command, kept while nobody is there", async () => {
    await using all = await begin(2);
    const { ten, port, certs } = all;
    const serial = async (name = HOST) =>
      (await askByTls({ port, name, ca: root.certificate })).certificate.serialNumber;
    const first = await serial();
    await using visitors = await load(port);
    certs.put("shop.pem", "shop.test", "*.shop.test");
    await until("every worker has the new one", async () => {
      const seen = await Promise.all(Array.from({ length: 8 }, () => serial()));
      return seen.every((one) => one !== first);
    });
    // One certificate covers both, and the other says nothing of them.
    expect((await askByTls({ port, name: "shop.test", host: HOST })).status).toBe(200);
    await expect(askByTls({ port, name: "api.other.test", host: HOST })).rejects.toThrow();
    const { certificate, key } = makeCertificate(root, { names: ["given.other.test"] });
    writeFileSync(join(ten.dir, "given.pem"), `${certificate}${key}`);
    await ten.ok("cert", "add", "given.pem");
    expect((await askByTls({ port, name: "given.other.test", host: HOST })).status).toBe(421);
    // Who names no host: refused, and served as soon as there is a certificate for that.
    await expect(askByTls({ port, host: HOST })).rejects.toThrow();
    certs.put("default.pem", "fallback.test");
    await until("the default one is served", async () => {
      const seen = await Promise.all(
        Array.from({ length: 6 }, () => askByTls({ port, host: HOST }).catch(() => undefined)),
      );
      return seen.every((one) => one?.certificate.subjectaltname === "DNS:fallback.test");
    });
    const metrics = await (
      await fetch("http://localhost/metrics", { unix: join(ten.dataDir, "ten.sock") } as RequestInit)
    ).text();
    expect(metrics).toMatch(/ten_tls_handshakes_total\{result="done"\} [1-9]/);
    expect(metrics).toMatch(/ten_tls_handshakes_total\{result="unknown_name"\} [1-9]/);
    ten.kill("SIGKILL");
    await ten.exited;
    // Nobody can be asked for others, and what is known is served.
    expect(await serial()).not.toBe(first);
    expect((await askByTls({ port, name: "given.other.test", host: "given.other.test" })).status).toBe(404);
    await ten.start();
    const { failed } = await visitors.end();
    expect(failed).toEqual({});
  });
});

describe("a port for https", () => {
  test("that another server has is refused by name, and nothing is shared unnoticed", async () => {
    await using all = await begin(1);
    using other = createTempDir();
    writeFileSync(
      other.file("tenement.toml"),
      `[settings]\ncertificates = [${JSON.stringify(all.certs.path)}]\n[acme]\nauthorities = ["none"]\n[service.api]\ncommand = "true"\n`,
    );
    for (const workers of ["1", "2"]) {
      const text = readFileSync(other.file("tenement.toml"), "utf8").replace(
        /\[settings\]\n(workers.*\n)?/,
        `[settings]\nworkers = ${workers}\n`,
      );
      writeFileSync(other.file("tenement.toml"), text);
      const child = Bun.spawn(
        [
          join(import.meta.dir, "../../dist/ten"),
          ...["serve", "--port", "0", "--https", "--https-port", String(all.port)],
          ...["--domain", "shop.test", "--host", "127.0.0.1"],
        ],
        {
          cwd: other.path,
          env: { PATH: process.env.PATH, HOME: other.path },
          stderr: "pipe",
          stdout: "ignore",
        },
      );
      const stderr = await child.stderr.text();
      expect([await child.exited, stderr]).toEqual([4, expect.stringContaining(`port ${all.port} is taken`)]);
      expect(stderr).toContain("--https-port");
    }
    const slum = Bun.spawn(
      [
        join(import.meta.dir, "../../dist/slum"),
        ...["serve", "--port", "0", "--https", "--https-port", String(all.port), "--acme", "none"],
        ...["--host", "127.0.0.1", "--data-dir", other.file("slum")],
      ],
      {
        cwd: other.path,
        env: { PATH: process.env.PATH, HOME: other.path },
        stderr: "pipe",
        stdout: "ignore",
      },
    );
    expect([await slum.exited, await slum.stderr.text()]).toEqual([
      4,
      expect.stringContaining("--https-port"),
    ]);
    expect((await askByTls({ port: all.port, name: HOST })).status).toBe(200);
  });
});
