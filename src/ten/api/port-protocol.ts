// What answers at an app's address when that is not HTTP: an app that ends TLS itself, or another kind of server.
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { quote } from "../../core/quote.ts";
import { systemClock } from "../../platform/time/clock.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

const LOOK_MS = 1_000;
const SHOWN_CHARS = 60;

/** In words that read on after a colon; null when it says nothing, or nothing that tells. Takes at most two seconds. */
export async function protocolOf(address: Address): Promise<string | null> {
  if (await speaksTls(address)) return "it speaks TLS";
  const said = await firstWords(address);
  return said === "" || said.startsWith("HTTP/")
    ? null
    : `it begins with ${quote(said.slice(0, SHOWN_CHARS))}`;
}

function speaksTls(address: Address): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connectTls({ ...address, rejectUnauthorized: false }, () => resolve(true));
  return withinLook(socket, promise, resolve, false);
}

/** What it says by itself, or to a line that no protocol knows. */
function firstWords(address: Address): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connectTcp(address, () => socket.write("\r\n\r\n"));
  socket.once("data", (bytes) => resolve(bytes.toString("latin1").trim()));
  return withinLook(socket, promise, resolve, "");
}

/** `otherwise` when it fails, closes or lasts too long; the socket is gone afterwards. */
async function withinLook<T>(
  socket: Socket,
  promise: Promise<T>,
  resolve: (value: T) => void,
  otherwise: T,
): Promise<T> {
  socket.once("error", () => resolve(otherwise));
  socket.once("close", () => resolve(otherwise));
  const cancel = systemClock.after(LOOK_MS, () => resolve(otherwise));
  try {
    return await promise;
  } finally {
    cancel();
    socket.on("error", () => {});
    socket.destroy();
  }
}
