// Faults of processes and of the machine, as docs/faults.md lists them, where no other test injects them.

import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { cpuMs } from "../bench/usage.ts";
import { until } from "../support/until.ts";
import { NO_PROCESS } from "../support/workers.ts";
import { startFleet } from "./fleet.ts";
import { isAlive, startTen, type Ten, tomlFor, untilState } from "./ten.ts";

const HOST = "api.localhost";

async function pidOf(ten: Ten, id: string): Promise<number> {
  return (await ten.ps())[id]?.pid ?? NO_PROCESS;
}

/** Changes what the registry of a server that does not run says. */
function rewrite(ten: Ten, sql: string, ...values: (string | number)[]): void {
  using database = new Database(join(ten.dataDir, "ten.db"));
  database.query(sql).run(...values);
}

/** A process that has nothing to do with any server; killed with the test. */
function startStranger() {
  const child = Bun.spawn(["sleep", "60"], { detached: true, env: {} });
  return { pid: child.pid, [Symbol.dispose]: () => child.kill("SIGKILL") };
}

describe("the only instance with weight", () => {
  test("crashes: idempotent requests that it cut join those that wait for its restart, others get one 502 each", async () => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    await ten.ok("spawn", "api:v2", "--weight", "0");
    await untilState(ten, "api:v2", "healthy");
    const cut = ["GET", "POST"].map((method) => ten.get(HOST, "/slow?ms=4000", { method }));
    await until("both are in flight", async () => {
      const { instances } = await ten.json<{ instances: { in_flight: number }[] }>("ps");
      return instances[0]?.in_flight === 2;
    });
    process.kill(await pidOf(ten, "api:v1"), "SIGKILL");
    expect((await Promise.all(cut)).map(({ status, instance }) => [status, instance])).toEqual([
      [200, "api:v1"],
      [502, null],
    ]);
    expect(await ten.split(HOST, 8, 8)).toEqual({ "api:v1": 8 });
  });
});

describe("an instance that hangs", () => {
  test("leaves the split after three checks, at once from its first silence on, and comes back when it answers", async () => {
    // Only the silence of a request can start a check within this test.
    const patient = "health_check_interval = 3600\nhealth_check_timeout = 0.3\nrequest_timeout = 30";
    await using ten = await startTen({ service: patient });
    for (const id of ["a", "b", "c"]) await ten.ok("spawn", `api:${id}`);
    for (const id of ["a", "b", "c"]) await untilState(ten, `api:${id}`, "healthy");
    const hung = await pidOf(ten, "api:a");
    process.kill(hung, "SIGSTOP");
    const six = Array.from({ length: 6 }, () => ten.get(HOST));
    await untilState(ten, "api:a", "unhealthy");
    expect(await ten.split(HOST, 10)).toEqual({ "api:b": 5, "api:c": 5 });
    process.kill(hung, "SIGCONT");
    await Promise.all(six);
    await untilState(ten, "api:a", "healthy");
    expect(Object.keys(await ten.split(HOST, 9)).sort()).toEqual(["api:a", "api:b", "api:c"]);
  });
});

test("a port taken between the test of it and the app's start costs no restart: the app gets another", async () => {
  // The first start finds a stranger on its port, in a session of its own and without our mark; the second does not.
  const script = `
if mkdir "$0" 2>/dev/null; then
  env -i setsid "$1" -e 'Bun.serve({ port: '$PORT', hostname: "127.0.0.1", fetch: () => new Response("stranger") }); console.log(process.pid)' > "$0/pid" &
  while [ ! -s "$0/pid" ]; do sleep 0.05; done
fi
exec "$1" "$2"`;
  const [bun, app] = [process.execPath, join(import.meta.dir, "../support/apps/app.ts")];
  const args = ["-c", script, "{data_dir}/_stranger", bun, app];
  const toml = tomlFor("bun")
    .replace(/command = .*/, 'command = "/bin/sh"')
    .replace(/args = .*/, `args = ${JSON.stringify(args)}`);
  await using ten = await startTen({ toml });
  await ten.ok("spawn", "api:v1");
  await untilState(ten, "api:v1", "healthy");
  const stranger = Number(readFileSync(join(ten.dataDir, "_stranger/pid"), "utf8"));
  try {
    const { body } = await ten.get(HOST);
    expect(JSON.parse(body)).toMatchObject({ instance: "api:v1" });
    expect((await ten.ps())["api:v1"]).toMatchObject({ restarts: 0, state: "healthy" });
    expect(isAlive(stranger)).toBe(true);
  } finally {
    process.kill(stranger, "SIGKILL");
  }
});

describe("a registry that names a process which is not ours any more", () => {
  async function afterDeath(change: (ten: Ten, stranger: number) => void): Promise<void> {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2", "--weight", "20");
    const victim = await pidOf(ten, "api:v2");
    ten.kill("SIGKILL");
    await ten.exited;
    process.kill(victim, "SIGKILL");
    await until("it is gone", () => !isAlive(victim));
    using stranger = startStranger();
    change(ten, stranger.pid);
    await ten.start();
    await untilState(ten, "api:v1", "healthy");
    await untilState(ten, "api:v2", "healthy");
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 8, "api:v2": 2 });
    await ten.ok("stop", "api:v2");
    expect(isAlive(stranger.pid)).toBe(true);
  }

  test("since its pid was given to another: its start time tells, and it is never signalled", () =>
    afterDeath((ten, stranger) => rewrite(ten, "UPDATE instances SET pid = ? WHERE id = 'v2'", stranger)));

  test("since the machine was restarted: what should run is started, and nothing is signalled", () =>
    afterDeath((ten, stranger) => {
      const stat = readFileSync(`/proc/${stranger}/stat`, "utf8");
      const startTime = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
      rewrite(ten, "UPDATE instances SET pid = ?, start_time = ? WHERE id = 'v2'", stranger, startTime);
      rewrite(ten, "UPDATE instances SET boot_id = ?", crypto.randomUUID());
    }));
});

test("a process whose row is gone is found by its mark and ended at the next start", async () => {
  await using ten = await startTen();
  for (const id of ["v1", "v2"]) await ten.ok("spawn", `api:${id}`);
  const [kept, lost] = [await pidOf(ten, "api:v1"), await pidOf(ten, "api:v2")];
  ten.kill("SIGKILL");
  await ten.exited;
  rewrite(ten, "DELETE FROM instances WHERE id = 'v2'");
  await ten.start();
  await until("it is gone", () => !isAlive(lost));
  expect(await pidOf(ten, "api:v1")).toBe(kept);
});

describe("a registry that cannot be used", () => {
  const DAMAGE: readonly (readonly [what: string, says: RegExp, inject: (path: string) => void])[] = [
    ["is damaged", /is damaged/, (path) => writeFileSync(path, "x".repeat(4096), { flag: "r+" })],
    [
      "is missing",
      /is gone, but its last good copy is there/,
      (path) => {
        for (const end of ["", "-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
      },
    ],
  ];
  test.each(DAMAGE)("since it %s is refused, and the hint brings all back", async (_, says, inject) => {
    await using ten = await startTen();
    await ten.ok("deploy", "api:v1");
    await ten.ok("deploy", "api:v2", "--weight", "20");
    // The good copy is saved at a start.
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      ten.kill(signal);
      await ten.exited;
      if (signal === "SIGTERM") await ten.start();
    }
    inject(join(ten.dataDir, "ten.db"));
    const { exit, stderr } = await ten.run("serve", "--port", "0");
    expect([exit, stderr]).toEqual([1, expect.stringMatching(says)]);
    const hint = /^hint: restore [^;]*?Z: (.*?)(?:; or, .*)?$/m.exec(stderr)?.[1] ?? stderr;
    expect(Bun.spawnSync(["sh", "-c", hint], { cwd: ten.dir }).exitCode).toBe(0);
    await ten.start();
    for (const name of ["api:v1", "api:v2"]) await untilState(ten, name, "healthy");
    expect(await ten.split(HOST, 10)).toEqual({ "api:v1": 8, "api:v2": 2 });
  });

  test("since a newer program has changed it is refused, and nothing is changed", async () => {
    await using ten = await startTen();
    ten.kill("SIGTERM");
    await ten.exited;
    rewrite(ten, "PRAGMA user_version = 99");
    const { exit, stderr } = await ten.run("serve", "--port", "0");
    expect([exit, stderr]).toEqual([1, expect.stringContaining("is of version 99")]);
    using database = new Database(join(ten.dataDir, "ten.db"), { readonly: true });
    expect(database.query("PRAGMA user_version").get()).toEqual({ user_version: 99 });
  });
});

test("without a descriptor left, visitors wait, commands and restarts go on, and nothing spins", async () => {
  await using ten = await startFleet({ within: ["sh", "-c", 'ulimit -n 128; exec "$0" "$@"'] });
  await ten.ok("deploy", "api:v1");
  const visitors = Array.from({ length: 200 }, () => openRequest(ten.port));
  try {
    await until("it says so", async () => (await ten.log()).includes("new connections wait"));
    const before = cpuMs([ten.pid]);
    const begun = performance.now();
    process.kill(await pidOf(ten, "api:v1"), "SIGKILL");
    await until("another process is healthy", async () => {
      const { "api:v1": row } = await ten.ps();
      return row?.restarts === 1 && row.state === "healthy";
    });
    await Bun.sleep(1_000);
    expect((cpuMs([ten.pid]) - before) / (performance.now() - begun)).toBeLessThan(0.5);
  } finally {
    for (const visitor of visitors) visitor.destroy();
  }
  expect((await ten.get(HOST)).status).toBe(200);
});

test.each([1, 2])(
  "near the limit of descriptors connections that idle make room, and nobody who is let in is lost: %d workers",
  async (workers) => {
    await using ten = await startFleet({
      settings: `workers = ${workers}`,
      within: ["sh", "-c", 'ulimit -n 128; exec "$0" "$@"'],
    });
    await ten.ok("deploy", "api:v1");
    const idle = await Promise.all(Array.from({ length: 30 * workers }, () => askOnce(ten.port)));
    const statuses = idle.map(({ status }) => status);
    try {
      expect(new Set(statuses)).toEqual(new Set(["200"]));
      for (let round = 0; round < 3; round++) {
        const others = await Promise.all(
          Array.from({ length: 150 }, (_, i) => askOnce(ten.port, i % 2 ? "/" : "/slow?ms=200")),
        );
        for (const { socket } of others) socket.destroy();
        expect(others.filter(({ status }) => status !== "200").map(({ status }) => status)).toEqual([]);
      }
      await until("those that idled made room", () => idle.some(({ socket }) => socket.closed));
      expect((await ten.get(HOST)).status).toBe(200);
      const row = (await ten.ps())["api:v1"];
      expect([row?.state, row?.restarts]).toEqual(["healthy", 0]);
    } finally {
      for (const { socket } of idle) socket.destroy();
    }
  },
);

/** One request on a connection that stays open; the status, or how it was lost. */
function askOnce(port: number, path = "/"): Promise<{ readonly socket: Socket; readonly status: string }> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () =>
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`),
    );
    let text = "";
    const settle = (status: string) => resolve({ socket, status });
    socket.on("data", (piece) => {
      text += piece.toString("latin1");
      if (text.includes("\r\n\r\n")) settle(text.split(" ")[1] ?? "");
    });
    socket.on("error", (error) => settle(String(error)));
    socket.on("close", () => settle("closed"));
  });
}

/** A visitor who begins a request and does not end it. */
function openRequest(port: number): Socket {
  const socket = connect(port, "127.0.0.1", () => socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}\r\n`));
  return socket.on("error", () => {});
}
