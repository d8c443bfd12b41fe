// The listening socket of a server: the one that systemd passed, the one of who served before, or a new one; and offered to who comes next.
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
  type Taken,
  takeSocket,
} from "../../platform/net/listening-socket.ts";
import { probePort, removeSocket } from "../../platform/net/unix-socket.ts";
import type { Clock } from "../../platform/time/clock.ts";

/** A socket of this process, and where others are given it. */
export interface HeldSocket extends AsyncDisposable {
  readonly socket: ListeningSocket;
  /** The path at which it is offered. */
  readonly offeredAt: string;
  /** It was there before this process. */
  readonly isTakenOver: boolean;
  /** Says to who had it that it is served on here. */
  served(): void;
  /** Offers it no more; it stays open here. */
  withdraw(): Promise<void>;
}

/** What came with the start of this process. */
export interface Inherited {
  readonly unit: ListeningSocket | undefined;
  readonly kept: readonly ListeningSocket[];
}

export interface HoldOptions extends Address {
  /** Private to us: the sockets at which listening sockets are offered lie in it. */
  readonly directory: string;
  readonly clock: Clock;
  readonly inherited?: Inherited | undefined;
  /**
   * Before a new socket is opened: makes sure that nobody else listens there, but for those that may until we are there
   * (`isShared`). Throws a Fault.
   */
  claim(): Promise<{ readonly isShared: boolean } & Disposable>;
  /** Somebody else serves on it now. */
  onServed?(): void;
}

/** What a worker offers lies beside its own socket. */
export const OFFER_SUFFIX = ".l";
const OFFERS = /^(?:listen_\d+\.sock|w_[0-9a-f]{8}\.l)$/;

/**
 * Holds the socket that is to be listened on, and offers it; undefined where sockets cannot be shared. Throws a Fault when
 * somebody else has the port.
 */
export async function holdSocket(options: HoldOptions): Promise<HeldSocket | undefined> {
  if (!canShareSockets()) return undefined;
  const { directory, clock } = options;
  const inherited = inheritedSocket(options);
  const taken = inherited === undefined ? await takeOver(options) : undefined;
  const socket = inherited ?? taken?.socket ?? (await open(options));
  for (const other of options.inherited?.kept ?? []) if (other !== socket) other[Symbol.dispose]();
  const offeredAt = join(directory, `listen_${process.pid}.sock`);
  let offer: AsyncDisposable | undefined;
  try {
    offer = await offerSocket(offeredAt, { asked: options, socket }, clock, options.onServed);
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
    isTakenOver: inherited !== undefined || taken !== undefined,
    served: () => taken?.settle(true),
    withdraw,
    async [Symbol.asyncDispose]() {
      await withdraw();
      socket[Symbol.dispose]();
    },
  };
}

function inheritedSocket({ inherited, host, port }: HoldOptions): ListeningSocket | undefined {
  if (inherited?.unit !== undefined) return inherited.unit;
  const isOurs = ({ address }: ListeningSocket) =>
    address.port === port && (isIP(unbracketed(host)) === 0 || address.host === unbracketed(host));
  return inherited?.kept.find(isOurs);
}

/** From a server that has ended its work, or from a worker that serves on without one. */
async function takeOver({ directory, host, port, clock }: HoldOptions): Promise<Taken | undefined> {
  for (const name of readdirSync(directory).filter((each) => OFFERS.test(each))) {
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

async function open({ host, port, claim }: HoldOptions): Promise<ListeningSocket> {
  using claimed = await claim();
  try {
    return openListeningSocket({ host, port }, claimed.isShared);
  } catch (thrown) {
    // Ours, at another address: it says who has it.
    probePort(host, port);
    throw thrown;
  }
}
