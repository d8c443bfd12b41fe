// A network of a set-up's own: each region in a network namespace with an address, links that can be cut, also in one direction, and latency.
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { marked, startGuard } from "./guard.ts";
import type { Stage } from "./stage.ts";

/** Of the networks for documentation (RFC 5737) there are too few. */
const NET = "10.77";
const HUB = `${NET}.0.1`;
const INSIDE = "--inside-a-network";

export interface Region {
  readonly name: string;
  readonly address: string;
  /** What a process is started by, to be in that region. */
  readonly within: readonly string[];
}

/** Whether this process may have networks of its own. */
export function mayHaveNetworks(): boolean {
  if (!Bun.which("unshare") || !Bun.which("nsenter") || !Bun.which("ip")) return false;
  const { exitCode } = Bun.spawnSync(["unshare", "-rn", "ip", "link", "set", "lo", "up"], {
    stderr: "ignore",
  });
  return exitCode === 0;
}

/** Begins the script anew in a network that nobody else is in; answers the exit code, or undefined inside. */
export async function insideNetwork(): Promise<number | undefined> {
  if (Bun.argv.includes(INSIDE)) return undefined;
  const words = ["unshare", "-rn", process.execPath, ...Bun.argv.slice(1), INSIDE];
  const directory = mkdtempSync(join(tmpdir(), "ten-example-"));
  const guard = startGuard(directory);
  const env = { ...process.env, ...marked(directory) };
  const exit = await Bun.spawn(words, { env, stdin: "inherit", stdout: "inherit", stderr: "inherit" }).exited;
  await guard.end();
  return exit;
}

export class Network implements AsyncDisposable {
  readonly #holders: ReturnType<typeof Bun.spawn>[] = [];
  readonly #relays: { stop(force: boolean): unknown }[] = [];
  readonly #stage: Stage;

  constructor(stage: Stage) {
    this.#stage = stage;
    ip("link", "set", "lo", "up");
    ip("addr", "add", `${HUB}/32`, "dev", "lo");
    writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
  }

  /** Where what is in no region can be reached. */
  get hub(): string {
    return HUB;
  }

  async region(name: string): Promise<Region> {
    const number = this.#holders.length + 1;
    const holder = Bun.spawn(["unshare", "-n", "sleep", "3600"], {
      env: { ...process.env, ...marked(this.#stage.path) },
      stdout: "ignore",
      stderr: "ignore",
    });
    this.#holders.push(holder);
    const pid = String(holder.pid);
    const own = Bun.spawnSync(["readlink", "/proc/self/ns/net"]).stdout.toString();
    while (Bun.spawnSync(["readlink", `/proc/${pid}/ns/net`]).stdout.toString() === own) await Bun.sleep(5);
    const address = `${NET}.${number}.2`;
    ip("link", "add", `to-${name}`, "type", "veth", "peer", "name", "eth0", "netns", pid);
    ip("addr", "add", `${NET}.${number}.1/24`, "dev", `to-${name}`);
    ip("link", "set", `to-${name}`, "up");
    const within = ["nsenter", "-t", pid, "-n"];
    for (const words of [
      ["link", "set", "lo", "up"],
      ["addr", "add", `${address}/24`, "dev", "eth0"],
      ["link", "set", "eth0", "up"],
      ["route", "add", "default", "via", `${NET}.${number}.1`],
    ])
      run([...within, "ip", ...words]);
    return { name, address, within };
  }

  /** Nothing comes into the region or out of it. */
  cut({ name }: Region): void {
    ip("link", "set", `to-${name}`, "down");
  }

  mend({ name }: Region): void {
    ip("link", "set", `to-${name}`, "up");
  }

  /** What the one sends does not reach the other; the other way it does. */
  cutOneWay(from: Region, to: Region): void {
    run([...from.within, "ip", "route", "add", "blackhole", to.address]);
  }

  mendOneWay(from: Region, to: Region): void {
    run([...from.within, "ip", "route", "del", "blackhole", to.address]);
  }

  /** A way to an address of a region that takes so much longer in each direction. */
  far(region: Region, port: number, delayMs: number): string {
    const relay = Bun.listen<{ there: ReturnType<typeof open> }>({
      hostname: HUB,
      port: 0,
      socket: {
        open(here) {
          here.data = { there: open(region.address, port, delayMs, here) };
        },
        data({ data }, bytes) {
          later(delayMs, async () => (await data.there)?.write(bytes));
        },
        close: ({ data }) => later(delayMs, async () => (await data.there)?.end()),
      },
    });
    this.#relays.push(relay);
    return `http://${HUB}:${relay.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const relay of this.#relays) relay.stop(true);
    for (const holder of this.#holders) holder.kill("SIGKILL");
    await Promise.all(this.#holders.map((holder) => holder.exited));
  }
}

interface Writable {
  write(bytes: Uint8Array): number;
  end(): unknown;
}

function open(hostname: string, port: number, delayMs: number, here: Writable) {
  const socket = {
    data: (_: unknown, bytes: Uint8Array) => {
      const copy = bytes.slice();
      later(delayMs, () => here.write(copy));
    },
    close: () => later(delayMs, () => here.end()),
  };
  return Bun.connect({ hostname, port, socket }).catch(() => {
    here.end();
    return undefined;
  });
}

function later(delayMs: number, call: () => unknown): void {
  setTimeout(() => void call(), delayMs);
}

function ip(...words: readonly string[]): void {
  run(["ip", ...words]);
}

function run(words: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync([...words]);
  if (exitCode !== 0) throw new Error(`${words.join(" ")}: ${stderr.toString().trim()}`);
}
