// What comes to the port for https, as bytes: handshakes cut and broken, names of every kind, other protocols, and what is spoken of TLS.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { certificateDirectory } from "../support/certificate-directory.ts";
import { answerTo, clientHello } from "../support/client-hello.ts";
import { freePort } from "../support/free-port.ts";
import { askByTls } from "../support/https-client.ts";
import { makeAuthority } from "../support/make-certificate.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { startTen, type Ten, tomlFor } from "./ten.ts";

setDefaultTimeout(180_000);

const HOST = "api.shop.test";
const PUNYCODE = "xn--bcher-kva.test";
const LONG = `${"a".repeat(63)}.long.test`;
const UNRECOGNISED = "alert 112";
const root = makeAuthority("root");
const middle = makeAuthority("middle", root);
const temp = createTempDir();
const certs = certificateDirectory(middle, middle.certificate);
const OPENSSL = Bun.which("openssl");
const CURL = Bun.which("curl");

let ten: Ten;
let port: number;

beforeAll(async () => {
  certs.put("shop.pem", "shop.test", "*.shop.test");
  certs.put("other.pem", PUNYCODE, "other.test", LONG);
  writeFileSync(temp.file("root.pem"), root.certificate);
  port = await freePort();
  const toml = tomlFor("bun", `domains = ["${PUNYCODE}", "other.test", "${LONG}"]\nhsts = "1y"`)
    .replace(/selector_from.*\n/, "")
    .replace("[settings]", `[settings]\ncertificates = [${JSON.stringify(certs.path)}]`);
  ten = await startTen({
    toml: `${toml}\n[acme]\nauthorities = ["none"]\n`,
    serve: ["--https", "--https-port", String(port), "--domain", "shop.test", "--host", "127.0.0.1"],
  });
  await ten.ok("deploy", "api:v1");
});
afterAll(async () => {
  await ten[Symbol.asyncDispose]();
  certs[Symbol.dispose]();
  temp[Symbol.dispose]();
});

const singly = (bytes: Buffer) => Array.from(bytes, (byte) => Buffer.from([byte]));

/** Passes bytes on one by one, towards the server. */
async function startCutter(to: number) {
  const server = createServer((client) => {
    const socket = connect(to, "127.0.0.1");
    socket.setNoDelay(true);
    let passing = Promise.resolve();
    client.on("data", (bytes: Buffer) => {
      passing = passing.then(async () => {
        for (const byte of singly(bytes)) {
          socket.write(byte);
          await new Promise((turn) => setImmediate(turn));
        }
      });
    });
    socket.on("data", (bytes) => client.write(bytes));
    socket.on("end", () => client.end());
    for (const each of [client, socket]) each.on("error", () => each.destroy());
    client.on("close", () => socket.destroy());
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return {
    port: (server.address() as { port: number }).port,
    [Symbol.dispose]: () => void server.close(),
  };
}

describe("a handshake", () => {
  test("in single bytes is taken, and so is all that follows", async () => {
    expect(await answerTo(port, singly(clientHello({ name: HOST })))).toBe("hello");
    using cutter = await startCutter(port);
    const seen = await askByTls({ port: cutter.port, name: HOST, ca: root.certificate });
    expect(seen.status).toBe(200);
  });

  test.each([
    ["its own", HOST, "hello"],
    ["in capitals", "API.Shop.TEST", "hello"],
    ["with a dot at its end", `${HOST}.`, "hello"],
    ["in punycode", PUNYCODE, "hello"],
    ["with a label of 63 letters", LONG, "hello"],
    ["with a label of 64 letters", `${"a".repeat(64)}.long.test`, UNRECOGNISED],
    ["of two labels below a wildcard", "a.b.shop.test", UNRECOGNISED],
    ["unknown", "evil.example", UNRECOGNISED],
    ["in letters that are not in punycode", "bücher.test", UNRECOGNISED],
    ["an address", "127.0.0.1", UNRECOGNISED],
    ["the wildcard itself", "*.shop.test", UNRECOGNISED],
    ["a path", "../../etc/passwd", UNRECOGNISED],
  ])("for a name %s", async (_, name, answer) => {
    expect(await answerTo(port, [clientHello({ name })])).toBe(answer);
  });

  test("for a name of 300 bytes, an empty one, one with a NUL, or none is refused", async () => {
    for (const name of ["a".repeat(300), `${"a.".repeat(146)}shop.test`, "", "api\0.shop.test"])
      expect([name.length, await answerTo(port, [clientHello({ name })])]).toEqual([
        name.length,
        expect.stringMatching(/^alert \d+$|^closed$/) as unknown as string,
      ]);
    expect(await answerTo(port, [clientHello({ protocols: ["http/1.1"] })])).toStartWith("alert ");
    await expect(askByTls({ port, host: HOST })).rejects.toThrow();
  });

  test("cut off anywhere leaves nothing behind", async () => {
    const hello = clientHello({ name: HOST });
    for (let cut = 1; cut < hello.length; cut += 7) {
      const socket = connect(port, "127.0.0.1", () => socket.end(hello.subarray(0, cut)));
      socket.on("error", () => {});
    }
    expect((await askByTls({ port, name: HOST })).status).toBe(200);
  });

  test("with any byte changed is answered or refused, and the next is served", async () => {
    const hello = clientHello({ name: HOST, protocols: ["h2", "http/1.1"] });
    const answers = await Promise.all(
      Array.from(hello.keys(), (at) => {
        const changed = Buffer.from(hello);
        changed[at] = (changed[at] as number) ^ 0x55;
        // A length that is longer now is waited for: so much follows that there is an end.
        return answerTo(port, [Buffer.concat([changed, Buffer.alloc(17_000, 0x17)])]);
      }),
    );
    expect(answers.length).toBe(hello.length);
    expect((await askByTls({ port, name: HOST })).status).toBe(200);
  });

  test("that does not come on is ended after 10 s, and 4,200 at once keep nobody out", async () => {
    const began = performance.now();
    const closed = (begin: Buffer) =>
      new Promise<number>((over) => {
        const socket = connect(port, "127.0.0.1", () => socket.write(begin));
        socket.on("error", () => {});
        socket.on("close", () => over((performance.now() - began) / 1000));
      });
    const slow = [Buffer.from([22]), clientHello({ name: HOST }).subarray(0, 90)].map(closed);
    const one = () => {
      const socket = connect(port, "127.0.0.1", () => socket.write(Buffer.from([22])));
      return socket.on("error", () => {});
    };
    const crowd = Array.from({ length: 4_200 }, one);
    await until("some of the crowd have been ended", async () => {
      const text = await (
        await fetch("http://localhost/metrics", { unix: join(ten.dataDir, "ten.sock") } as RequestInit)
      ).text();
      if (/handshakes_total\{result="crowded"\} [1-9]/.test(text)) return true;
      // Instead of those whose time was up before all had come.
      const living = crowd.filter(({ destroyed }) => !destroyed).length;
      crowd.push(...Array.from({ length: 4_200 - living }, one));
      return false;
    });
    expect((await askByTls({ port, name: HOST })).status).toBe(200);
    for (const socket of crowd) socket.destroy();
    // The oldest go first, where there are too many.
    expect(Math.max(...(await Promise.all(slow)))).toBeLessThan(60);
    const alone = performance.now();
    await new Promise<void>((over) => {
      const socket = connect(port, "127.0.0.1", () =>
        socket.write(clientHello({ name: HOST }).subarray(0, 90)),
      );
      socket.on("error", () => {});
      socket.on("close", () => over());
    });
    const secs = (performance.now() - alone) / 1000;
    expect(secs).toBeGreaterThan(8);
    expect(secs).toBeLessThan(60);
  });
});

describe("a request", () => {
  test.each([
    [HOST, HOST, 200],
    [HOST, "API.shop.test", 200],
    [HOST, `${HOST}.`, 200],
    [HOST, `${HOST}:${"443"}`, 200],
    // One certificate covers both.
    ["shop.test", HOST, 200],
    [PUNYCODE, PUNYCODE, 200],
    [PUNYCODE, "other.test", 200],
    [LONG, LONG, 200],
    [HOST, PUNYCODE, 421],
    [PUNYCODE, HOST, 421],
    [HOST, "evil.example", 404],
  ])("in a connection for %s that asks %s", async (name, host, status) => {
    expect((await askByTls({ port, name, host })).status).toBe(status);
  });
});

describe("other protocols", () => {
  test("http gets 400 with a word, cut or whole, and TLS at the port for http 400", async () => {
    const plain = Buffer.from(`GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
    for (const pieces of [[plain], singly(plain)]) {
      const said = await answerTo(port, pieces);
      expect(said).toStartWith("HTTP/1.1 400 Bad Request\r\n");
      expect(said).toEndWith("This port speaks https: ask with https:// before\n");
    }
    expect(await answerTo(ten.port, [clientHello({ name: HOST })])).toStartWith("HTTP/1.1 400 ");
  });

  test.each([
    ["SSH", "SSH-2.0-OpenSSH_9.2\r\n"],
    ["HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["a PROXY header", "PROXY TCP4 192.0.2.1 198.51.100.1 1 2\r\n"],
    ["zeros", "\0".repeat(64)],
    ["an old ClientHello", "\x80\x2e\x01\x00\x02"],
  ])("%s ends the connection", async (_, bytes) => {
    const said = await answerTo(port, [Buffer.from(bytes, "latin1")]);
    expect(said).toMatch(/^(?:alert \d+|closed|HTTP\/1\.1 400 .*)/);
  });
});

describe("TLS as it is spoken (RFC 8446, RFC 9325, Mozilla's intermediate profile)", () => {
  test("is 1.2 and 1.3, and nothing older", async () => {
    for (const [version, answer] of [
      [0x0304, "hello"],
      [0x0303, "hello"],
      [0x0302, "alert 70"],
      [0x0301, "alert 70"],
      [0x0300, "alert 70"],
    ] as const)
      expect([version, await answerTo(port, [clientHello({ name: HOST, version })])]).toEqual([
        version,
        answer,
      ]);
  });

  test.each([
    ["ECDHE-ECDSA-AES128-GCM-SHA256", 0xc02b, "hello"],
    ["ECDHE-ECDSA-AES256-GCM-SHA384", 0xc02c, "hello"],
    ["ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9, "hello"],
    ["ECDHE-ECDSA-AES128-SHA (CBC)", 0xc009, "alert 40"],
    ["ECDHE-ECDSA-AES256-SHA384 (CBC)", 0xc024, "alert 40"],
    ["AES128-GCM-SHA256 (RSA key exchange)", 0x009c, "alert 40"],
    ["DES-CBC3-SHA", 0x000a, "alert 40"],
    ["RC4-SHA", 0x0005, "alert 40"],
    ["ECDHE-ECDSA-NULL-SHA", 0xc006, "alert 40"],
    ["ADH-AES128-GCM-SHA256 (anonymous)", 0x00a6, "alert 40"],
  ])("in TLS 1.2 with %s alone", async (_, cipher, answer) => {
    expect(await answerTo(port, [clientHello({ name: HOST, version: 0x0303, ciphers: [cipher] })])).toBe(
      answer,
    );
  });

  test.each([
    [["h2", "http/1.1"], "h2"],
    [["http/1.1", "h2"], "h2"],
    [["http/1.1"], "http/1.1"],
    [["http/1.0", "http/1.1"], "http/1.1"],
  ])("to who offers %j speaks %s", async (alpn, protocol) => {
    const socket = await askByTls({ port, name: HOST, alpn }).catch((thrown: Error) => thrown);
    // What is said of HTTP/2 to this client is no answer that it could read.
    if (protocol === "h2") expect(socket).toBeInstanceOf(Error);
    else expect(socket).toMatchObject({ status: 200, protocol });
  });

  test("to who offers nothing that is spoken here does not speak (RFC 7301 section 3.2)", async () => {
    for (const protocols of [["h3"], ["acme-tls/1"], ["acme-tls/1", "http/1.0"], ["spdy/3"]])
      expect([protocols, await answerTo(port, [clientHello({ name: HOST, protocols })])]).toEqual([
        protocols,
        "alert 120",
      ]);
  });

  test("says hsts where it is asked for", async () => {
    const { head } = await askByTls({ port, name: HOST });
    expect(head).toContain("Strict-Transport-Security: max-age=31536000");
  });

  /** What openssl sees. */
  async function sClient(words: readonly string[], input = ""): Promise<string> {
    const all = [OPENSSL ?? "", "s_client", "-connect", `127.0.0.1:${port}`, "-servername", HOST, ...words];
    const child = Bun.spawn(all, { stdin: new Blob([input]), stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    await child.exited;
    return stdout + stderr;
  }

  test.skipIf(OPENSSL === null)("as openssl sees it (needs openssl)", async () => {
    const seen = await sClient(["-CAfile", temp.file("root.pem"), "-status", "-tls1_2"]);
    expect(seen).toContain("Verify return code: 0 (ok)");
    expect(seen).toContain("OCSP response: no response sent");
    expect(seen).toContain("Compression: NONE");
    expect(seen).toMatch(/Secure Renegotiation IS( NOT)? supported/);
    expect(seen).toMatch(/Server Temp Key: (?:X25519|ECDH, prime256v1)/);
    // The certificate first, then what signed it, and no root.
    expect(seen).toMatch(/ 0 s:CN = .*shop\.test\n[\s\S]* 1 s:CN = middle\n/);
    expect(seen).not.toContain(" 2 s:");
    const newer = await sClient(["-CAfile", temp.file("root.pem"), "-tls1_3"]);
    expect(newer).toContain("New, TLSv1.3, Cipher is TLS_");
    expect(newer).toContain("Early data was not sent");
  });

  test.skipIf(OPENSSL === null)("is not negotiated anew by a client (needs openssl)", async () => {
    const seen = await sClient(["-tls1_2", "-msg"], "R\n");
    expect(seen).not.toMatch(/RENEGOTIATING[\s\S]*verify return[\s\S]*HTTP\/1\.1 200/);
    expect(seen).toMatch(/no_renegotiation|no renegotiation|unexpected_message|closed|alert/i);
  });

  test.skipIf(OPENSSL === null)("is resumed by a ticket, in 1.2 and in 1.3 (needs openssl)", async () => {
    for (const version of ["-tls1_2", "-tls1_3"]) {
      const file = temp.file(`session${version}`);
      const request = `GET / HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`;
      const first = await sClient([version, "-sess_out", file, "-ign_eof"], request);
      expect(first).toMatch(/\nNew, TLSv1\.[23]/);
      const again = await sClient([version, "-sess_in", file, "-ign_eof"], request);
      expect(again).toMatch(/\nReused, TLSv1\.[23]/);
      expect(again).toContain("HTTP/1.1 200 OK");
    }
  });

  test.skipIf(CURL === null)("with curl, by HTTP/2 and HTTP/1.1 (needs curl)", async () => {
    for (const [flag, version] of [
      ["--http2", "2"],
      ["--http1.1", "1.1"],
    ] as const) {
      const words = ["-sS", "--cacert", temp.file("root.pem"), flag, "-o", "/dev/null"];
      const where = ["--resolve", `${HOST}:${port}:127.0.0.1`, `https://${HOST}:${port}/`];
      const child = Bun.spawn([CURL ?? "", ...words, "-w", "%{http_code} %{http_version}", ...where], {
        stdout: "pipe",
      });
      expect(await child.stdout.text()).toBe(`200 ${version}`);
    }
  });
});
