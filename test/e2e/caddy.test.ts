// The Caddyfile of `ten caddy`: what is in it, that Caddy takes it, and what visitors see through Caddy (where it is installed).
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { freePort } from "../support/free-port.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { runTen, startTen, type Ten } from "./ten.ts";

const HOST = "api.localhost";
const CADDY = Bun.which("caddy");

/** Echoes requests and WebSocket messages, and opens event streams that never end. */
const APP = `
Bun.serve({
  port: Number(process.env.PORT), hostname: "127.0.0.1",
  fetch(request, server) {
    if (server.upgrade(request)) return;
    const { pathname } = new URL(request.url);
    if (pathname !== "/events") return Response.json(Object.fromEntries(request.headers));
    return new Response(new ReadableStream({ start(stream) { stream.enqueue("data: first\\n\\n"); } }),
      { headers: { "content-type": "text/event-stream" } });
  },
  websocket: { message: (socket, message) => void socket.send("echo " + message) },
});`;

const TOML = `
[service.api]
command = ${JSON.stringify(process.execPath)}
args = ["app.ts"]
domains = ["shop.example.org"]
[service.admin]
command = "true"
direct = "trusted"
`;

interface Caddy extends AsyncDisposable {
  readonly port: number;
  /** What a visitor's TLS needs. */
  readonly tls: { readonly serverName: string; readonly ca: string };
  get(path: string, init?: RequestInit): Promise<Response>;
}

/** Caddy with what \`ten caddy\` prints, on ports of its own and with its own authority. */
async function startCaddy(ten: Ten): Promise<Caddy> {
  const temp = createTempDir();
  const port = await freePort();
  const options = `{\nhttp_port ${await freePort()}\nhttps_port ${port}\nadmin off\nskip_install_trust\n}\n`;
  const { stdout } = await ten.ok("caddy");
  // The domains that only a public authority could vouch for.
  writeFileSync(temp.file("Caddyfile"), options + stdout.replace(", shop.example.org", ""));
  const child = Bun.spawn(["caddy", "run", "--config", temp.file("Caddyfile"), "--adapter", "caddyfile"], {
    env: {
      PATH: process.env.PATH ?? "",
      HOME: temp.path,
      XDG_DATA_HOME: temp.path,
      XDG_CONFIG_HOME: temp.path,
    },
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(temp.file("log")),
  });
  const root = temp.file("caddy/pki/authorities/local/root.crt");
  await until("Caddy has its authority", () => existsSync(root), 15_000);
  const tls = { serverName: HOST, ca: readFileSync(root, "utf8") };
  const get = (path: string, init: RequestInit = {}) =>
    fetch(`https://127.0.0.1:${port}${path}`, {
      ...init,
      headers: { ...init.headers, Host: HOST },
      tls,
    } as RequestInit);
  await until(`Caddy answers`, async () => (await get("/").catch(() => undefined))?.status === 200, 15_000);
  return {
    port,
    tls,
    get,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
      temp[Symbol.dispose]();
    },
  };
}

describe("ten caddy", () => {
  test("prints what tenement.toml says when no server runs, and to a file only once and never over another's", async () => {
    using dir = createTempDir();
    writeFileSync(dir.file("tenement.toml"), `${TOML}[routing]\ndefault = "api"\n`);
    const words = ["caddy", "--domain", "example.com", "--upstream", "127.0.0.1:9000"];
    const { stdout, stderr } = await runTen(dir.path, words);
    expect(stderr).toBe("");
    const hosts = [
      "example.com",
      "ten.example.com",
      "api.example.com",
      "shop.example.org",
      "admin.example.com",
    ];
    expect(stdout).toContain(`\n${hosts.join(", ")} {\n\timport ten\n}\n`);
    expect(stdout).toContain("\n# *.api.example.com {\n");
    expect(stdout).toContain("\trequest_header -X-Tenement-Instance\n");
    const wild = JSON.parse((await runTen(dir.path, [...words, "--dns", "cloudflare", "--json"])).stdout);
    expect(wild).toMatchObject({ schema: 1, hosts, upstream: "127.0.0.1:9000", file: null });
    expect(wild.caddyfile).toContain(
      "\n*.api.example.com {\n\ttls {\n\t\tdns cloudflare {env.DNS_API_TOKEN}\n",
    );

    const out = [...words, "--out", "Caddyfile"];
    expect((await runTen(dir.path, out)).stderr).toContain("hint: put it into force: caddy reload --config");
    expect(readFileSync(dir.file("Caddyfile"), "utf8")).toBe(stdout);
    expect((await runTen(dir.path, out)).stderr).toContain("nothing to do");
    writeFileSync(dir.file("Caddyfile"), "example.com {\n}\n");
    const refused = await runTen(dir.path, out);
    expect([refused.exit, refused.stderr]).toEqual([
      4,
      expect.stringContaining("was not written by ten caddy"),
    ]);
    expect((await runTen(dir.path, [...out, "--force"])).exit).toBe(0);
  });

  test.each([
    [["--upstream", "127.0.0.1:443"], "warning: Caddy needs port 443 itself"],
    [["--upstream", "10.0.0.1:8080"], "hint: add Caddy's address to trusted_proxies"],
    [[], "hint: these hosts are local; name your domain: --domain example.com"],
    [["--email", "a b"], "error: --email is"],
    [["--upstream", "8080"], "error: --upstream is"],
  ])("says what would not work: %j", async (words, said) => {
    using dir = createTempDir();
    writeFileSync(dir.file("tenement.toml"), TOML);
    expect((await runTen(dir.path, ["caddy", ...words])).stderr).toContain(said);
  });

  test.skipIf(!CADDY)("prints what Caddy finds valid and well-formed (needs caddy)", async () => {
    using dir = createTempDir();
    writeFileSync(dir.file("tenement.toml"), TOML);
    await runTen(dir.path, [
      "caddy",
      "--domain",
      "example.com",
      "--email",
      "me@example.com",
      "--out",
      "Caddyfile",
    ]);
    const env = { PATH: process.env.PATH ?? "", HOME: dir.path };
    const run = (...words: string[]) => Bun.spawnSync(["caddy", ...words], { cwd: dir.path, env });
    expect(run("validate", "--config", "Caddyfile", "--adapter", "caddyfile").exitCode).toBe(0);
    expect(run("fmt", "Caddyfile").stdout.toString()).toBe(readFileSync(dir.file("Caddyfile"), "utf8"));
  });
});

describe.skipIf(!CADDY)("through Caddy (needs caddy)", () => {
  test("visitors keep their address, WebSockets and event streams pass, and a restart of ten loses nothing", async () => {
    const prepare = (dir: string) => writeFileSync(`${dir}/app.ts`, APP);
    await using ten = await startTen({ toml: TOML, prepare, port: await freePort() });
    await ten.ok("deploy", "api:v1");
    await using caddy = await startCaddy(ten);

    const headers = await (await caddy.get("/", { headers: { "X-Forwarded-For": "203.0.113.9" } })).json();
    expect(headers).toMatchObject({
      "x-forwarded-for": "127.0.0.1, 127.0.0.1",
      "x-forwarded-proto": "https",
    });
    expect(headers).toMatchObject({ host: HOST, "x-forwarded-host": HOST });

    const events = await caddy.get("/events");
    const reader = events.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("data: first\n\n");
    await reader?.cancel();

    const socket = new WebSocket(`wss://127.0.0.1:${caddy.port}/`, {
      headers: { Host: HOST },
      tls: caddy.tls,
    });
    const heard = new Promise((done, fail) => {
      socket.onerror = fail;
      socket.onopen = () => socket.send("hello");
      socket.onmessage = ({ data }) => done(data);
    });
    expect(await heard).toBe("echo hello");
    socket.close();

    // With a body they would fail: caddyserver/caddy#7546.
    let served = 0;
    let going = true;
    const visitor = async () => {
      while (going) {
        expect((await caddy.get("/")).status).toBe(200);
        served += 1;
      }
    };
    const visitors = Promise.all([visitor(), visitor(), visitor(), visitor()]);
    await until("visitors come", () => served > 20);
    ten.kill("SIGQUIT");
    await ten.exited;
    await ten.start();
    const before = served;
    await until("visitors still come", () => served > before + 20, 15_000);
    going = false;
    await visitors;
  });
});
