// slum with 100,000 tenants on 1,000 servers: what they weigh, and what a look-up, a change and a start cost.
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "../../src/api/client.ts";
import { Fault } from "../../src/core/fault.ts";
import { openDatabase } from "../../src/platform/storage/database.ts";
import { contract } from "../../src/slum/api/contract.ts";
import { migrations } from "../../src/slum/registry/sqlite/migrations.ts";
import { type Slum, startSlumWith } from "../e2e/slum.ts";
import { createTempDir } from "../support/temp-dir.ts";
import { type Figure, ms, timed } from "./figure.ts";
import { burst } from "./load.ts";
import { median } from "./report.ts";
import { cpuMs, memoryMb } from "./usage.ts";

const TENANTS = 100_000;
const SERVERS = 1_000;
const FEW = 10;
const CHANGES = 20;
const ROUNDS = 5;
const SECONDS = 2;
/** All servers have been checked, and the snapshot is written. */
const REST_MS = 8_000;

const mb = (value: number) => `${value.toFixed(0)} MB`;
export const domainOf = (tenant: number) => `t${tenant}.example.com`;

export async function measureManyTenants(): Promise<Figure[]> {
  const script = join(import.meta.dir, "many-origins.ts");
  const origins = Bun.spawn([process.execPath, script, String(SERVERS)], { stdout: "pipe" });
  try {
    const { value } = await origins.stdout.getReader().read();
    const ports = JSON.parse(new TextDecoder().decode(value)) as number[];
    const few = await measureFleet(ports.slice(0, FEW), FEW);
    const onFew = await measureFleet(ports.slice(0, FEW), TENANTS);
    const many = await measureFleet(ports, TENANTS);
    const much = `${TENANTS} tenants, ${SERVERS} servers`;
    return [
      ...many.page,
      { what: `${much}: start`, value: ms(many.startMs), note: `with ${FEW} of each ${ms(few.startMs)}` },
      {
        what: `${much}: memory`,
        value: mb(many.restMb),
        note: `under load ${mb(many.loadMb)}; with ${FEW} of each ${mb(few.restMb)}, ${mb(few.loadMb)}`,
      },
      {
        what: `${TENANTS} tenants, ${FEW} servers: CPU a request`,
        value: micros(onFew.cpuMicros),
        note: `with ${FEW} tenants ${micros(few.cpuMicros)}`,
      },
      {
        what: `${much}: CPU a request`,
        value: micros(many.cpuMicros),
        note: "each server is asked rarely, so connections to it are cold",
      },
      {
        what: `${much}: a change until it is in force`,
        value: `${many.changeMs.toFixed(1)} ms`,
        note: `tenant move, over the socket; with ${FEW} of each ${few.changeMs.toFixed(1)} ms`,
      },
    ];
  } finally {
    origins.kill("SIGKILL");
  }
}

const micros = (value: number) => `${value.toFixed(1)} µs`;

async function measureFleet(ports: readonly number[], tenants: number) {
  using temp = createTempDir();
  chmodSync(temp.path, 0o700);
  const database = temp.file("many.db");
  fill(database, ports, tenants);
  let opened: Slum | undefined;
  const startMs = await timed(async () => {
    opened = await startSlumWith({ interval: 30, words: ["--db", database] });
  });
  if (!opened) throw new Error("slum did not start");
  await using slum = opened;
  await Bun.sleep(REST_MS);
  const restMb = memoryMb([slum.pid]).now;
  const cell = {
    name: "1k x16",
    path: "/",
    bodyBytes: 1_024,
    connections: 16,
    keepAlive: true,
    hosts: tenants,
  };
  await burst(slum.port, domainOf(0), cell, 2 * SECONDS);
  const cpu: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = cpuMs([slum.pid]);
    const { requests, failed } = await burst(slum.port, domainOf(0), cell, SECONDS);
    if (failed > 0) throw new Error(`${failed} of ${requests} requests failed`);
    cpu.push(((cpuMs([slum.pid]) - before) * 1_000) / requests);
  }
  const loadMb = memoryMb([slum.pid]).now;
  const changeMs = await measureChange(slum);
  return { startMs, restMb, loadMb, cpuMicros: median(cpu), changeMs, page: await measurePage(slum) };
}

const LOOKS = 10;

/** What the dashboard asks for, over the socket: the time to the end of the answer, and its bytes. */
export async function measurePage(slum: Slum): Promise<Figure[]> {
  const asked = [
    ["a page of 50 tenants", "/api/tenants?limit=50"],
    ["the last page", "/api/tenants?limit=50&offset=99950"],
    ["a search", "/api/tenants?limit=50&search=t777+example"],
    ["what refreshes every 2 s", "/api/status"],
    ["the day of all servers", "/api/history"],
  ] as const;
  const figures: Figure[] = [];
  for (const [what, path] of asked) {
    const ask = async () => {
      const init = { unix: join(slum.dataDir, "slum.sock") } as RequestInit;
      const response = await fetch(`http://localhost${path}`, init);
      if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
      return (await response.arrayBuffer()).byteLength;
    };
    let bytes = await ask();
    const before = cpuMs([slum.pid]);
    const tookMs = await timed(async () => {
      for (let look = 0; look < LOOKS; look += 1) bytes = await ask();
    });
    const cpu = (cpuMs([slum.pid]) - before) / LOOKS;
    const note = `${cpu.toFixed(0)} ms of CPU, ${(bytes / 1_000).toFixed(1)} KB`;
    figures.push({ what: `the page: ${what}`, value: ms(tookMs / LOOKS), note });
  }
  return figures;
}

/** From the beginning of a change to the first answer that shows it. */
async function measureChange(slum: Slum): Promise<number> {
  const client = createClient(contract, {
    endpoint: { socket: join(slum.dataDir, "slum.sock") },
    product: "slum/bench",
    unreachable: (cause) => new Fault("unreachable", cause),
  });
  const times: number[] = [];
  for (let round = 0; round < CHANGES; round += 1) {
    const server = `s${(round % 2) + 1}`;
    times.push(
      await timed(async () => {
        await client.moveTenant({ params: { id: "t0" }, body: { server } });
        const seen = (await slum.get(domainOf(0))).server;
        if (seen !== server) throw new Error(`moved to ${server}, but ${seen} answers`);
      }),
    );
  }
  return median(times);
}

export function fill(path: string, ports: readonly number[], tenants: number): void {
  const db = openDatabase(path, migrations);
  db.transaction(() => {
    const server = db.prepare(
      "INSERT INTO servers (id, url, health_path, addressing, drained, created_at, status, status_at) VALUES (?, ?, '/', 'header', 0, 0, 'unknown', 0)",
    );
    for (const [index, port] of ports.entries()) server.run(`s${index}`, `http://127.0.0.1:${port}`);
    const tenant = db.prepare(
      "INSERT INTO tenants (id, domain, server, service, instance, writes, created_at) VALUES (?, ?, ?, 'api', 'prod', 'any', 0)",
    );
    for (let index = 0; index < tenants; index += 1)
      tenant.run(`t${index}`, domainOf(index), `s${index % ports.length}`);
  })();
  db.close();
}
