// How long a target may take to accept a connection, and a watch over clients that do not say when they have one.
import { connect, type Socket } from "node:net";
import type { Address } from "../../core/route.ts";
import type { Clock } from "../../platform/time/clock.ts";

/**
 * On this machine a connection stands at once, or the target's backlog is full: the kernel then drops the SYN and repeats it
 * after a second (1,002 to 1,029 ms measured, also when the backlog had been full for 50 ms only). Just long enough for that.
 */
const LOCAL_MS = 1_250;
const REMOTE_MS = 3_000;
const LOCAL = /^(?:127\.[\d.]+|::1|localhost)$/;
/** Most targets have answered by then; only the others are asked whether they accept at all. */
const QUIET_MS = 250;

export function connectTimeoutMs({ host }: Address): number {
  return host === "127.0.0.1" || LOCAL.test(host) ? LOCAL_MS : REMOTE_MS;
}

/**
 * Calls `late` when the deadline passes and the target accepts no connection, asked by one of our own that sends nothing.
 * Returns what ends the watch: to be called once the target has answered.
 */
export function watchConnect(address: Address, clock: Clock, late: () => void): () => void {
  let probe: Socket | undefined;
  const end = () => {
    cancelProbe();
    cancelDeadline();
    probe?.destroy();
  };
  const cancelDeadline = clock.after(connectTimeoutMs(address), () => {
    end();
    late();
  });
  const cancelProbe = clock.after(QUIET_MS, () => {
    probe = connect({ host: address.host, port: address.port });
    // Refusals are told by the client's own connection, when it hears of them.
    probe.on("connect", end).on("error", () => {});
  });
  return end;
}
