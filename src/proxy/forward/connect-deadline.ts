// How long a target may take to accept a connection.
import type { Address } from "../../core/route.ts";

/**
 * On this machine a connection stands at once, or the target's backlog is full: the kernel then drops the SYN and repeats it
 * after a second (1,002 to 1,029 ms measured, also when the backlog had been full for 50 ms only). Just long enough for that.
 */
const LOCAL_MS = 1_250;
const REMOTE_MS = 3_000;
const LOCAL = /^(?:127\.[\d.]+|::1|localhost)$/;

export function connectTimeoutMs({ host }: Address): number {
  return host === "127.0.0.1" || LOCAL.test(host) ? LOCAL_MS : REMOTE_MS;
}
