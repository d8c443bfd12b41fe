// By which of its addresses this machine would reach another one: what the system's routes say, without a packet sent.
import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";

/** Undefined when there is no route. `address` is no name. */
export function localAddressTowards(address: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
    const finish = (found: string | undefined) => {
      resolve(found);
      socket.close();
    };
    socket.once("error", () => finish(undefined));
    // A connected datagram socket has an address and sends nothing.
    socket.connect(port, address, () => finish(socket.address().address));
  });
}
