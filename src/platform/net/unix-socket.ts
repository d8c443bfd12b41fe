// Listening without stepping on anybody: a unix socket whose leftover is told from a live one, and a port that must be free.
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { Fault, messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { type Clock, sleep } from "../time/clock.ts";
import { isConnected, portHolder } from "./listening-ports.ts";
import { listenerOf } from "./peer-credentials.ts";
import { readEphemeral } from "./ports.ts";

const CONNECT_TIMEOUT_MS = 1000;

/**
 * Calls `listen` with the path once nothing is in its way, and closes the socket to other users (mode 0600). The file of
 * a server that died is removed; a live one is a conflict fault. Race-free only for the holder of the data directory.
 */
export async function claimSocket<T>(path: string, clock: Clock, listen: (path: string) => T): Promise<T> {
  await clearSocket(path, clock);
  // No other user may connect even between bind and chmod.
  const umask = process.umask(0o177);
  try {
    const server = listen(path);
    chmodSync(path, 0o600);
    return server;
  } catch (error) {
    const hint = "check that its directory exists and is writable by this user";
    throw new Fault("internal", `cannot listen on the socket ${quote(path)}: ${messageOf(error)}`, hint);
  } finally {
    process.umask(umask);
  }
}

async function clearSocket(path: string, clock: Clock): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (!stats) return;
  if (!stats.isSocket()) {
    throw new Fault("conflict", `${quote(path)} is in the way: it is not a socket`, "move it away");
  }
  if (await answers(path, clock)) {
    throw new Fault("conflict", `somebody serves on the socket ${quote(path)}`, "stop that server first");
  }
  unlinkSync(path);
}

/** Removes the name of a socket that nobody uses any more. One that stays, on a disk that has become read-only, is in nobody's way. */
export function removeSocket(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is gone already, or stays.
  }
}

/** Whether somebody accepts connections there. Only a refusal says no: what does not answer in time may be just busy. */
async function answers(path: string, clock: Clock): Promise<boolean> {
  const connecting = Bun.connect({ unix: path, socket: { data() {} } }).then(
    (socket) => {
      socket.terminate();
      return true;
    },
    (error: NodeJS.ErrnoException) => error.code !== "ECONNREFUSED" && error.code !== "ENOENT",
  );
  return Promise.race([connecting, sleep(clock, CONNECT_TIMEOUT_MS).then(() => true)]);
}

/**
 * Makes sure that nobody listens there, by listening for a moment without sharing. A later listener with `reusePort`
 * would otherwise join a stranger and split the traffic with it. Throws a Fault that says who is in the way, and which of
 * the `flags` to change.
 */
export function probePort(hostname: string, port: number, flags: AddressFlags = USUAL_FLAGS): void {
  try {
    Bun.listen({ hostname, port, exclusive: true, socket: { data() {} } }).stop(true);
  } catch (error) {
    throw portFault(error, hostname, port, flags);
  }
}

/** Longer than a start takes; what comes after that is for the probe to say. */
const TURN_MS = 20_000;
const TURN_STEP_MS = 10;

/**
 * Between a probe and a listener with `reusePort` another start would find the port free too, and share it. So such starts
 * take turns: a name that only one process of the network namespace can listen on, and that goes with it. Ports are shared
 * only by processes of one user, so another user who has taken that name is not waited for. Linux only.
 */
export async function portTurn(port: number, clock: Clock): Promise<Disposable> {
  const deadline = clock.monotonic() + (port > 0 && process.platform === "linux" ? TURN_MS : 0);
  while (clock.monotonic() < deadline) {
    const name = `\0ten-port-${port}`;
    try {
      const held = Bun.listen({ unix: name, socket: { data() {} } });
      return { [Symbol.dispose]: () => held.stop(true) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") break;
      const holder = await listenerOf(name);
      if (holder && holder.uid !== process.geteuid?.()) break;
      await sleep(clock, TURN_STEP_MS);
    }
  }
  return { [Symbol.dispose]() {} };
}

/** As the command line names them. */
export interface AddressFlags {
  readonly host: string;
  readonly port: string;
}

const USUAL_FLAGS: AddressFlags = { host: "--host", port: "--port" };

/** Why nobody can listen there, from what listening threw: who is in the way, and which of the `flags` to change. */
export function portFault(error: unknown, hostname: string, port: number, flags: AddressFlags): Fault {
  const because = { cause: error };
  switch ((error as NodeJS.ErrnoException).code) {
    case "EADDRINUSE": {
      const holder = portHolder(port);
      if (!holder && isConnected(port))
        return new Fault(
          "conflict",
          `port ${port} is taken by a connection that goes out from it, and nobody listens there`,
          `try again when that has ended, or choose a port below ${readEphemeral()?.range.first ?? 32_768} with ${flags.port}: those above are for such connections`,
          because,
        );
      const who = holder ? ` by ${holder.name} (pid ${holder.pid})` : "";
      return new Fault(
        "conflict",
        `port ${port} is taken${who}`,
        `stop it, or choose another with ${flags.port}`,
        because,
      );
    }
    case "EACCES":
      return new Fault(
        "usage",
        `port ${port} may not be opened by this user`,
        `choose a port from 1024, or allow it: sysctl -w net.ipv4.ip_unprivileged_port_start=${port}, or AmbientCapabilities=CAP_NET_BIND_SERVICE in its systemd unit, which install writes`,
        because,
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    // Bun has no code for a name that is somebody else's, or nobody's.
    case undefined:
      return new Fault(
        "usage",
        `${quote(hostname)} is no address of this machine`,
        `correct ${flags.host}`,
        because,
      );
    default:
      return new Fault(
        "internal",
        `cannot listen on ${hostname}:${port}: ${messageOf(error)}`,
        undefined,
        because,
      );
  }
}
