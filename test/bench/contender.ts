// The proxies that are compared: `ten` itself, and nginx, HAProxy and Caddy with one worker each and settings to the same effect.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { startTen, type Ten } from "../e2e/ten.ts";
import { freePort } from "../support/free-port.ts";
import { makeAuthority, makeCertificate } from "../support/make-certificate.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { until } from "../support/until.ts";
import { originToml } from "./origin.ts";
import { familyOf } from "./usage.ts";

export interface Contender extends AsyncDisposable {
  readonly name: string;
  readonly version: string;
  readonly port: number;
  /** Where it serves https; with the same certificate as the others. */
  readonly tlsPort: number;
  /** The processes whose time and memory are the proxy's. */
  readonly pids: readonly number[];
}

/** The Host header of all requests. */
export const HOST = "one.localhost";

/** For whoever is asked by https: one certificate of ECDSA on P-256, as authorities issue them. */
export interface Secure {
  readonly port: number;
  /** Chain and key in files of their own, and both in one. */
  readonly chain: string;
  readonly key: string;
  readonly both: string;
}

/** Made once: all show the same. */
const SHOWN = makeCertificate(makeAuthority("bench"), { names: [HOST] });

/** Writes its files into a directory. */
function secureAt(dir: string, port: number): Secure {
  const files = { chain: join(dir, "chain.pem"), key: join(dir, "chain.key"), both: join(dir, "both.pem") };
  writeFileSync(files.chain, SHOWN.certificate);
  writeFileSync(files.key, SHOWN.key, { mode: 0o600 });
  writeFileSync(files.both, `${SHOWN.certificate}${SHOWN.key}`, { mode: 0o600 });
  return { port, ...files };
}

export interface Home extends AsyncDisposable {
  readonly ten: Contender;
  /** Where the origins listen. */
  readonly origins: readonly number[];
}

/** `ten` and the origins that it runs. */
export async function startHome(): Promise<Home> {
  const dir = createTempDir();
  const tlsPort = await freePort();
  // The load names no host in its handshake: the certificate that is called default is shown.
  const certificate = dir.file("default.pem");
  writeFileSync(certificate, `${SHOWN.certificate}${SHOWN.key}`, { mode: 0o600 });
  const settings = `[settings]\ncertificates = [${JSON.stringify(certificate)}]\n[acme]\nauthorities = ["none"]\n`;
  const ten = await startTen({
    toml: `${settings}${originToml(dir.path).replace("[service.one]", "[service.one]\nredirect = false")}`,
    serve: ["--https", "--https-port", String(tlsPort), "--host", "127.0.0.1"],
  });
  const origins = await until("both origins are healthy", () => healthyPorts(ten), 20_000);
  const { stdout } = await ten.run("--version");
  return {
    origins,
    ten: {
      name: "ten",
      version: numberIn(stdout),
      port: ten.port,
      tlsPort,
      pids: [ten.pid],
      [Symbol.asyncDispose]: async () => {},
    },
    async [Symbol.asyncDispose]() {
      await ten[Symbol.asyncDispose]();
      dir[Symbol.dispose]();
    },
  };
}

async function healthyPorts(ten: Ten): Promise<number[] | undefined> {
  const { instances } = await ten.json<{ instances: { state: string; port: number }[] }>("ps");
  const healthy = instances.filter(({ state }) => state === "healthy");
  return healthy.length === 2 ? healthy.map(({ port }) => port) : undefined;
}

/** What every configuration of HAProxy here begins with. */
export const haproxyFront = (port: number, secure?: Secure): string => `global
  nbthread 1
  maxconn 8192
defaults
  mode http
  timeout connect 3s
  timeout client 60s
  timeout server 60s
  http-reuse always
  option forwardfor
frontend visitors
  bind 127.0.0.1:${port} backlog 4096
${secure === undefined ? "" : `  bind 127.0.0.1:${secure.port} backlog 4096 ssl crt ${secure.both} ssl-min-ver TLSv1.2\n`}  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
`;

/** How one of the others is started. */
export interface Recipe {
  readonly versionArgs: readonly string[];
  config(port: number, origins: readonly number[], secure: Secure): string;
  command(config: string, dir: string): readonly string[];
}

export const RECIPES: Readonly<Record<string, Recipe>> = {
  nginx: {
    versionArgs: ["-v"],
    command: (config, dir) => ["nginx", "-p", dir, "-c", config],
    config: (port, origins, secure) => `
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 8192; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream origins {
${origins.map((origin) => `    server 127.0.0.1:${origin};`).join("\n")}
    keepalive 1024;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    listen 127.0.0.1:${secure.port} ssl backlog=4096;
    ssl_certificate ${secure.chain};
    ssl_certificate_key ${secure.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    location / {
      proxy_pass http://origins;
      proxy_http_version 1.1;
      proxy_max_temp_file_size 0;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
    }
  }
}
`,
  },
  haproxy: {
    versionArgs: ["-v"],
    command: (config) => ["haproxy", "-db", "-q", "-f", config],
    config: (port, origins, secure) => `
${haproxyFront(port, secure)}  default_backend origins
backend origins
  balance roundrobin
${origins.map((origin) => `  server o${origin} 127.0.0.1:${origin}`).join("\n")}
`,
  },
  caddy: {
    versionArgs: ["version"],
    command: (config) => ["caddy", "run", "--adapter", "caddyfile", "--config", config],
    config: (port, origins, secure) => `
{
  admin off
  auto_https off
  default_sni ${HOST}
}
(origins) {
  bind 127.0.0.1
  reverse_proxy ${origins.map((origin) => `127.0.0.1:${origin}`).join(" ")} {
    lb_policy round_robin
    transport http {
      keepalive_idle_conns_per_host 1024
    }
  }
}
http://:${port} {
  import origins
}
https://:${secure.port} {
  tls ${secure.chain} ${secure.key}
  import origins
}
`,
  },
};

/** The names of the others. */
export const OTHERS: readonly string[] = Object.keys(RECIPES);

/** Starts one of the others before the same origins; undefined when it is not installed. */
export async function startOther(
  name: string,
  origins: readonly number[],
  recipe: Recipe | undefined = RECIPES[name],
): Promise<Contender | undefined> {
  if (recipe === undefined) throw new Error(`no such proxy: ${name}; known: ten ${OTHERS.join(" ")}`);
  if (Bun.which(name) === null) return undefined;
  const dir = createTempDir();
  const config = dir.file(`${name}.conf`);
  const port = await freePort();
  const secure = secureAt(dir.path, await freePort());
  writeFileSync(config, recipe.config(port, origins, secure));
  const child = Bun.spawn([...recipe.command(config, dir.path)], {
    cwd: dir.path,
    env: { PATH: process.env.PATH, HOME: dir.path, GOMAXPROCS: "1" },
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(join(dir.path, "log")),
  });
  try {
    await until(`${name} answers`, () => answers(port), 10_000);
  } catch (thrown) {
    child.kill("SIGKILL");
    throw new Error(`${thrown}: ${await Bun.file(join(dir.path, "log")).text()}`);
  }
  return {
    name,
    version: versionOf([name, ...recipe.versionArgs]),
    port,
    tlsPort: secure.port,
    pids: familyOf(child.pid),
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), 5_000);
      await child.exited;
      clearTimeout(late);
      dir[Symbol.dispose]();
    },
  };
}

async function answers(port: number): Promise<boolean> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/1k`, { headers: { Host: HOST }, proxy: false });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}

function versionOf(command: string[]): string {
  const { stdout, stderr } = Bun.spawnSync(command);
  return numberIn(`${stdout}${stderr}`);
}

function numberIn(text: string): string {
  return /\d+\.\d+(?:\.\d+)?/.exec(text)?.[0] ?? "unknown";
}
