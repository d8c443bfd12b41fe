// `bun run bench:thousand`: what watching a thousand instances costs: the scrape, what commands and the page ask for, and the memory of all counting.
import { join } from "node:path";
import { startTen, type Ten } from "../e2e/ten.ts";
import { type Figure, figureTable, ms } from "./figure.ts";
import { cpuMs, memoryMb } from "./usage.ts";

const COUNT = Number(process.argv[2] ?? 1_000);
const VERSIONS = 25;
const HOST = "api.localhost";
const REQUESTS = 30_000;
const AT_ONCE = 64;
const LOOKS = 20;

/** Perl is on every Debian and small enough to be there a thousand times. One answer in a hundred is a 500. */
const APP = `
use strict; use Socket; use IO::Select;
socket(my $listener, PF_INET, SOCK_STREAM, 0); setsockopt($listener, SOL_SOCKET, SO_REUSEADDR, 1);
bind($listener, sockaddr_in($ARGV[0], INADDR_LOOPBACK)) or die; listen($listener, 64);
my $all = IO::Select->new($listener); my $n = $ARGV[0];
while (1) { for my $ready ($all->can_read) {
  if ($ready == $listener) { accept(my $client, $listener); $all->add($client); next }
  if (!sysread($ready, my $text, 8192)) { $all->remove($ready); close($ready); next }
  select(undef, undef, undef, ($n * 7 % 31) / 2000); $n++;
  my $status = $n % 100 ? "200 OK" : "500 Bad";
  syswrite($ready, "HTTP/1.1 $status\\r\\nContent-Length: 2\\r\\n\\r\\nok");
} }
`;

const TOML = `
[settings]
health_check_interval = 60

[service.api]
command = "perl app.pl {port}"
startup_timeout = 60
stop_grace_period_secs = 1
`;

interface Cost {
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly bytes: number;
}

/** What one look costs the server, on average, at rest otherwise. */
async function costOf(ten: Ten, path: string): Promise<Cost> {
  const socket = join(ten.dataDir, "ten.sock");
  const ask = async () => {
    const response = await fetch(`http://localhost${path}`, { unix: socket });
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
    return (await response.arrayBuffer()).byteLength;
  };
  let bytes = 0;
  for (let n = 0; n < 5; n++) bytes = await ask();
  const begun = performance.now();
  const before = cpuMs([ten.pid]);
  for (let n = 0; n < LOOKS; n++) await ask();
  const used = cpuMs([ten.pid]) - before;
  const wallMs = performance.now() - begun;
  await Bun.sleep(wallMs);
  // What it does at rest in as long a time is not the looks'.
  const rest = cpuMs([ten.pid]) - before - used;
  return { cpuMs: (used - rest) / LOOKS, wallMs: wallMs / LOOKS, bytes };
}

async function main(): Promise<void> {
  await using ten = await startTen({
    toml: TOML,
    prepare: (dir) => void Bun.write(join(dir, "app.pl"), APP),
  });
  for (let version = 1; version <= VERSIONS; version++)
    await ten.ok("deploy", `api:v${version}`, "--instances", String(COUNT / VERSIONS), "--weight", "100");
  await Bun.sleep(3_000);
  const before = memoryMb([ten.pid]).now;
  await ten.split(HOST, REQUESTS, AT_ONCE);
  await Bun.sleep(3_000);
  const after = memoryMb([ten.pid]).now;
  const figures: Figure[] = [];
  for (const [what, path] of [
    ["scrape", "/metrics"],
    ["all instances (ps, the page)", "/api/instances"],
    ["traffic over an hour (the page)", "/api/services/api/traffic?range=1h"],
  ] as const) {
    const cost = await costOf(ten, path);
    const note = `${ms(cost.wallMs)} to the end of the answer, ${(cost.bytes / 1_000).toFixed(0)} KB`;
    figures.push({ what, value: `${cost.cpuMs.toFixed(1)} ms of CPU`, note });
  }
  const note = `${before.toFixed(0)} MB before, ${after.toFixed(0)} MB after ${REQUESTS} requests`;
  figures.push({ what: "memory", value: `${(after - before).toFixed(0)} MB more`, note });
  process.stdout.write(figureTable(figures));
}

await main();
