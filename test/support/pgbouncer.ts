// A real PgBouncer with transaction pooling over few connections, as Neon and others have in front of PostgreSQL.
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { SQL } from "bun";
import { freePort } from "./free-port.ts";
import { createTempDir } from "./temp-dir.ts";
import { until } from "./until.ts";

const BINARY = Bun.which("pgbouncer") ?? "/usr/sbin/pgbouncer";

/** Whether the program is on this machine: Debian's package pgbouncer. */
export const hasPgBouncer = existsSync(BINARY);
/** For the names of tests that are skipped without it. */
export const NEEDS_PGBOUNCER = "(needs pgbouncer)";

export interface TestPooler extends AsyncDisposable {
  /** The URL of the same database, through the pooler. */
  through(database: string): string;
}

/** In front of the PostgreSQL that listens on that port of 127.0.0.1. */
export async function startPgBouncer(postgresPort: number): Promise<TestPooler> {
  const temp = createTempDir();
  const port = await freePort();
  const config = temp.file("pgbouncer.ini");
  writeFileSync(
    config,
    `[databases]
* = host=127.0.0.1 port=${postgresPort} user=slum
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
ignore_startup_parameters = extra_float_digits
`,
  );
  chmodSync(temp.path, 0o755);
  // It refuses to run as root.
  const words = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  const child = Bun.spawn([BINARY, "-q", ...words, config], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: Bun.file(temp.file("log")),
  });
  const sql = new SQL({ url: `postgres://slum@127.0.0.1:${port}/postgres`, max: 1, prepare: false });
  await until("PgBouncer answers", () =>
    sql`SELECT 1`.then(
      () => true,
      () => false,
    ),
  );
  await sql.close({ timeout: 0 });
  return {
    through: (database) => database.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${port}`),
    async [Symbol.asyncDispose]() {
      child.kill("SIGINT");
      const late = setTimeout(() => child.kill("SIGKILL"), 5_000);
      await child.exited;
      clearTimeout(late);
      temp[Symbol.dispose]();
    },
  };
}
