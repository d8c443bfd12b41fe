// A proxy worker of `ten serve`, and what it answers for the own hosts while there is no server.
import { version } from "../../../package.json";
import { buildMark, nameProcess } from "../../platform/executable.ts";
import { systemClock } from "../../platform/time/clock.ts";
import type { OwnInfo } from "../../proxy/data-plane.ts";
import { runWorker } from "../../proxy/workers/worker.ts";

const RETRY_SECS = "2";
const AWAY = "ten serve does not run; its workers serve the last routes until it is started again";

/** Resolves with the exit code. */
export function runTenWorker(socket: string): Promise<number> {
  nameProcess("ten worker");
  return runWorker({ socket, build: buildMark(version), clock: systemClock, away: answerAway });
}

/** Traffic flows, so who asks about the machine's health is told that it is well. */
export function answerAway(request: Request, { peer, peerTrusted }: OwnInfo): Response {
  const headers = { "cache-control": "no-store", server: `ten/${version}` };
  if (request.method === "GET" && new URL(request.url, "http://own").pathname === "/health") {
    const health = { status: "ok", peer: peer || null, trusted: peerTrusted, supervisor: "away" };
    return Response.json(health, { headers });
  }
  const error = { code: "unreachable", message: AWAY, hint: "start it: ten serve" };
  return Response.json({ error }, { status: 503, headers: { ...headers, "retry-after": RETRY_SECS } });
}
