// Where the supervisor answers for the own hosts: what its workers are asked comes over a socket that only we can open.
import { claimSocket } from "../../platform/net/unix-socket.ts";
import type { Clock } from "../../platform/time/clock.ts";
import type { ProgramHooks } from "../data-plane.ts";
import { serveOwnHosts } from "../front/own-hosts.ts";

/** Disposing cuts what is under way. */
export function openOwnDoor(
  path: string,
  clock: Clock,
  hooks: Pick<ProgramHooks, "own" | "onDefect">,
): Promise<AsyncDisposable> {
  return claimSocket(path, clock, (unix) => {
    const server = serveOwnHosts(unix, hooks);
    return { [Symbol.asyncDispose]: () => server.stop(true) };
  });
}
