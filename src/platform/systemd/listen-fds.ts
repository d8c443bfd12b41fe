// Sockets that systemd passed with the start: those of a socket unit, and what a former run gave it to keep (sd_listen_fds(3)).
import { Fault } from "../../core/fault.ts";
import type { Environment } from "../environment.ts";
import { adoptListeningSocket, canShareSockets, type ListeningSocket } from "../net/listening-socket.ts";
import type { Notifier } from "./notify.ts";

/** Under this name the manager keeps our own listening socket for the next start. */
export const KEPT_NAME = "visitors";

export interface PassedSockets {
  /** That of a socket unit, which decides where we listen. */
  readonly unit: ListeningSocket | undefined;
  /** Those that a former run had opened by itself. */
  readonly kept: readonly ListeningSocket[];
}

const FIRST = 3;
const MOST = 64;
const NONE: PassedSockets = { unit: undefined, kept: [] };

/** Whether systemd passed anything to this very process. */
export function hasPassedSockets({ LISTEN_PID }: Environment, pid = process.pid): boolean {
  // Inherited by a child of who was meant, these variables say nothing about our descriptors.
  return LISTEN_PID === String(pid);
}

/**
 * What was passed to this very process, each closed on exec from now on. Throws a Fault (`usage`) when a socket unit passes
 * what cannot be served on.
 */
export function passedSockets(env: Environment, pid = process.pid): PassedSockets {
  const { LISTEN_FDS, LISTEN_FDNAMES = "" } = env;
  const count = Number(LISTEN_FDS);
  if (!hasPassedSockets(env, pid) || !Number.isInteger(count) || count < 1) return NONE;
  if (count > MOST) throw refused(`${count} sockets were passed`, "one Listen line is enough");
  if (!canShareSockets()) throw refused("sockets can be passed on Linux only", "start it without them");
  const names = LISTEN_FDNAMES.split(":");
  const kept: ListeningSocket[] = [];
  const units: ListeningSocket[] = [];
  for (let at = 0; at < count; at++) {
    const name = names[at] ?? "";
    const socket = adoptListeningSocket(FIRST + at);
    if (name === KEPT_NAME && socket !== undefined) kept.push(socket);
    else if (socket !== undefined) units.push(socket);
    else if (name !== KEPT_NAME)
      throw refused(
        `what systemd passed${name === "" ? "" : ` as ${name}`} is no TCP socket that listens`,
        "in the socket unit, write Accept=no and one ListenStream= with a port",
      );
  }
  if (units.length > 1)
    throw refused(
      `systemd passed ${units.length} sockets`,
      "leave one ListenStream= in the socket unit; [::]:80 takes IPv4 as well",
    );
  return { unit: units[0], kept };
}

/**
 * Has the manager keep the socket that is listened on for the next start: connections wait in its queue while nobody serves.
 * That of a socket unit is the manager's already, and one that was kept stays so.
 */
export function keepInStore(manager: Notifier, socket: ListeningSocket, { unit, kept }: PassedSockets): void {
  if (socket === unit || kept.includes(socket)) return;
  if (kept.length > 0) manager.forget(KEPT_NAME);
  manager.keep(socket.descriptor, KEPT_NAME);
}

function refused(what: string, hint: string): Fault {
  return new Fault("usage", what, hint);
}
