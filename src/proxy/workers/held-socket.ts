// The listening sockets of a server: those that systemd passed, those of who served before, or new ones; and offered to who comes next.
import { readdirSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { unbracketed } from "../../core/host.ts";
import type { Address } from "../../core/route.ts";
import {
  canShareSockets,
  type ListeningSocket,
  offerSocket,
  openListeningSocket,
  takeSocket,
} from "../../platform/net/listening-socket.ts";
import { type AddressFlags, probePort, removeSocket } from "../../platform/net/unix-socket.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { HttpsOptions } from "../data-plane.ts";

/** A socket of this process, and where others are given it. */
export interface HeldSocket {
  readonly socket: ListeningSocket;
  /** The path at which it is offered. */
  readonly offeredAt: string;
}

/** All that a server listens on. */
export interface HeldSockets extends AsyncDisposable {
  readonly http: HeldSocket;
  /** Undefined where https is not served. */
  readonly https: HeldSocket | undefined;
  /** Says to who had them that they are served on here. */
  served(): void;
  /** Offers them no more; they stay open here. */
  withdraw(): Promise<void>;
}

/** What came with the start of this process. */
export interface Inherited {
  /** Those of a socket unit. */
  readonly unit: ListeningSocket | undefined;
  readonly httpsUnit?: ListeningSocket | undefined;
  readonly kept: readonly ListeningSocket[];
}

export interface HoldOptions extends Address {
  /** Where https is served as well, at the same host; undefined: nowhere. */
  readonly httpsPort: number | undefined;
  /** Private to us: the sockets at which listening sockets are offered lie in it. */
  readonly directory: string;
  readonly clock: Clock;
  readonly inherited?: Inherited | undefined;
  /**
   * Before a new socket is opened at a port: makes sure that nobody else listens there, but for those that may until we are there
   * (`isShared`). Throws a Fault.
   */
  claim(port: number, flags: AddressFlags): Promise<{ readonly isShared: boolean } & Disposable>;
  /** Somebody else serves on them now. */
  onServed?(): void;
}

type Kind = "http" | "https";

/** What a worker offers lies beside its own socket. */
export const OFFER_SUFFIXES: Readonly<Record<Kind, string>> = { http: ".l", https: ".s" };
const OFFERS: Readonly<Record<Kind, RegExp>> = {
  http: /^(?:listen_\d+\.sock|w_[0-9a-f]{8}\.l)$/,
  https: /^(?:secure_\d+\.sock|w_[0-9a-f]{8}\.s)$/,
};
const OFFERED_AS: Readonly<Record<Kind, string>> = { http: "listen", https: "secure" };
export const PORT_FLAGS: Readonly<Record<Kind, AddressFlags>> = {
  http: { host: "--host", port: "--port" },
  https: { host: "--host", port: "--https-port" },
};

/**
 * Holds the sockets that are to be listened on, and offers them; undefined where sockets cannot be shared. Throws a Fault when
 * somebody else has a port; nothing is held then.
 */
export async function holdSockets(options: HoldOptions): Promise<HeldSockets | undefined> {
  if (!canShareSockets()) return undefined;
  const { httpsPort, inherited } = options;
  const http = await hold("http", options.port, options);
  let https: Held | undefined;
  try {
    https = httpsPort === undefined ? undefined : await hold("https", httpsPort, options);
  } catch (thrown) {
    http.settle(false);
    await http[Symbol.asyncDispose]();
    throw thrown;
  }
  const all = https === undefined ? [http] : [http, https];
  const used = new Set(all.map(({ socket }) => socket));
  for (const other of inherited?.kept ?? []) if (!used.has(other)) other[Symbol.dispose]();
  return {
    http,
    https,
    served() {
      for (const each of all.toReversed()) each.settle(true);
    },
    async withdraw() {
      await Promise.all(all.map((each) => each.withdraw()));
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((each) => each[Symbol.asyncDispose]()));
    },
  };
}

interface Held extends HeldSocket, AsyncDisposable {
  settle(isServed: boolean): void;
  withdraw(): Promise<void>;
}

async function hold(kind: Kind, port: number, options: HoldOptions): Promise<Held> {
  const { directory, clock, host } = options;
  const asked = { host, port };
  const inherited = inheritedSocket(kind, asked, options.inherited);
  const taken = inherited === undefined ? await takeOver(kind, asked, directory, clock) : undefined;
  const socket = inherited ?? taken?.socket ?? (await open(kind, asked, options));
  const offeredAt = join(directory, `${OFFERED_AS[kind]}_${process.pid}.sock`);
  let offer: AsyncDisposable | undefined;
  try {
    const onServed = kind === "http" ? options.onServed : undefined;
    offer = await offerSocket(offeredAt, { asked, socket }, clock, onServed);
  } catch (thrown) {
    taken?.settle(false);
    socket[Symbol.dispose]();
    throw thrown;
  }
  const withdraw = async () => {
    await offer?.[Symbol.asyncDispose]();
    offer = undefined;
  };
  return {
    socket,
    offeredAt,
    settle: (isServed) => taken?.settle(isServed),
    withdraw,
    async [Symbol.asyncDispose]() {
      await withdraw();
      socket[Symbol.dispose]();
    },
  };
}

function inheritedSocket(kind: Kind, { host, port }: Address, inherited: Inherited | undefined) {
  const unit = kind === "http" ? inherited?.unit : inherited?.httpsUnit;
  if (unit !== undefined) return unit;
  const isOurs = ({ address }: ListeningSocket) =>
    address.port === port && (isIP(unbracketed(host)) === 0 || address.host === unbracketed(host));
  return inherited?.kept.find(isOurs);
}

/** From a server that has ended its work, or from a worker that serves on without one. */
async function takeOver(kind: Kind, { host, port }: Address, directory: string, clock: Clock) {
  for (const name of readdirSync(directory).filter((each) => OFFERS[kind].test(each))) {
    const taken = await takeSocket(join(directory, name), clock);
    if (taken === undefined) removeSocket(join(directory, name));
    if (taken === undefined) continue;
    const { asked, socket } = taken;
    if (asked.host === host && (asked.port === port || socket.address.port === port)) return taken;
    taken.settle(false);
    taken.socket[Symbol.dispose]();
  }
  return undefined;
}

async function open(kind: Kind, { host, port }: Address, { claim }: HoldOptions): Promise<ListeningSocket> {
  using claimed = await claim(port, PORT_FLAGS[kind]);
  try {
    return openListeningSocket({ host, port }, claimed.isShared);
  } catch (thrown) {
    // Ours, at another address: it says who has it.
    probePort(host, port, PORT_FLAGS[kind]);
    throw thrown;
  }
}

/** On copies of what is held, as each listener closes its own. */
export function listeningOn({ http, https }: HeldSockets, options: HttpsOptions | undefined) {
  return {
    port: http.socket.address.port,
    listenerFd: http.socket.duplicate(),
    https: options && {
      ...options,
      ...(https && { port: https.socket.address.port, listenerFd: https.socket.duplicate() }),
    },
  };
}
