// Sockets that systemd passed with the start: those of a socket unit, and what a former run gave it to keep (sd_listen_fds(3)).
import { Fault } from "../../core/fault.ts";
import type { Environment } from "../environment.ts";
import { adoptListeningSocket, canShareSockets, type ListeningSocket } from "../net/listening-socket.ts";
import type { Notifier } from "./notify.ts";

/** Under this name the manager keeps our own listening socket for the next start. */
const KEPT_NAME = "visitors";

export interface PassedSockets {
  /** That of a socket unit, which decides where we listen. */
  readonly unit: ListeningSocket | undefined;
  /** The one for https: called so, or at its port. */
  readonly httpsUnit?: ListeningSocket | undefined;
  /** Those that a former run had opened by itself. */
  readonly kept: readonly ListeningSocket[];
}

/** What a socket unit calls the socket for https (FileDescriptorName=). */
const HTTPS_NAME = "https";
const ENOUGH =
  "leave one ListenStream= in the socket unit, and with --https one more at its port; [::]:80 takes IPv4 as well";
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
export function passedSockets(
  env: Environment,
  { httpsPort, pid = process.pid }: { readonly httpsPort?: number | undefined; readonly pid?: number } = {},
): PassedSockets {
  const { LISTEN_FDS, LISTEN_FDNAMES = "" } = env;
  const count = Number(LISTEN_FDS);
  if (!hasPassedSockets(env, pid) || !Number.isInteger(count) || count < 1) return NONE;
  if (count > MOST) throw refused(`${count} sockets were passed`, ENOUGH);
  if (!canShareSockets()) throw refused("sockets can be passed on Linux only", "start it without them");
  const names = LISTEN_FDNAMES.split(":");
  const all = Array.from({ length: count }, (_, at) => passedAs(names[at] ?? "", FIRST + at));
  const socketsOf = (isMeant: (one: Passed) => boolean) =>
    all.flatMap((one) => (one.socket !== undefined && isMeant(one) ? [one.socket] : []));
  const isKept = ({ name }: Passed) => name === KEPT_NAME;
  const isHttps = ({ name, socket }: Passed) =>
    httpsPort !== undefined && (name === HTTPS_NAME || socket?.address.port === httpsPort);
  const [httpsUnit, ...others] = socketsOf((one) => !isKept(one) && isHttps(one));
  const units = [...socketsOf((one) => !isKept(one) && !isHttps(one)), ...others];
  if (units.length > 1) throw refused(`systemd passed ${units.length} sockets`, ENOUGH);
  return { unit: units[0], httpsUnit, kept: socketsOf(isKept) };
}

interface Passed {
  readonly name: string;
  readonly socket: ListeningSocket | undefined;
}

function passedAs(name: string, descriptor: number): Passed {
  const socket = adoptListeningSocket(descriptor);
  if (socket === undefined && name !== KEPT_NAME)
    throw refused(
      `what systemd passed${name === "" ? "" : ` as ${name}`} is no TCP socket that listens`,
      "in the socket unit, write Accept=no and one ListenStream= with a port",
    );
  return { name, socket };
}

/**
 * Has the manager keep the sockets that are listened on for the next start: connections wait in their queues while nobody serves.
 * Those of a socket unit are the manager's already, those that were kept stay so, and
 * those that nobody listens on any more are let go.
 */
export function keepInStore(
  manager: Notifier,
  sockets: readonly ListeningSocket[],
  { unit, httpsUnit, kept }: PassedSockets,
): void {
  const ours = sockets.filter((socket) => socket !== unit && socket !== httpsUnit);
  if (ours.length === kept.length && ours.every((socket) => kept.includes(socket))) return;
  if (kept.length > 0) manager.forget(KEPT_NAME);
  for (const { descriptor } of ours) manager.keep(descriptor, KEPT_NAME);
}

function refused(what: string, hint: string): Fault {
  return new Fault("usage", what, hint);
}
