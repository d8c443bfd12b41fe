// Requests for the program's own hosts on their way from a worker to the supervisor, over a socket that only we can open.
import { messageOf } from "../../core/fault.ts";
import { answerFields, type Field } from "../../core/forwarding-headers.ts";
import { claimSocket } from "../../platform/net/unix-socket.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { goneAnswer, ownAnswer } from "../answers.ts";
import type { OwnInfo, ProgramHooks } from "../data-plane.ts";
import { toResponse } from "../forward/answer-body.ts";
import { announcedLength, hasNoBody, type OutgoingBody, readBody } from "../forward/request-body.ts";
import { pathOf } from "../front/handler.ts";
import { type Origin, type Upstream, UpstreamFailure } from "../http-client.ts";

/** Say for whom a request is handed over. A visitor's own are overwritten, and nobody else can reach the socket. */
const PEER = "x-own-peer";
const TRUSTED = "x-own-trusted";
const CONNECT_MS = 1_000;
/** Commands may wait for a drain, for a start, and for each other. */
const ANSWER_MS = 3_600_000;
/** On a unix socket too, though its type knows nothing of it, quiet handlers would be cut after 10 s. */
const UNHURRIED: object = { idleTimeout: 0 };
const OURS: ReadonlySet<string> = new Set([
  PEER,
  TRUSTED,
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const NO_FIELDS: ReadonlySet<string> = new Set();

type Own = ProgramHooks["own"];

/** Answers by asking the supervisor; `away` answers while there is none. */
export function createAdminForwarding(socket: string, upstream: Upstream, away: Own): Own {
  const origin: Origin = { host: "localhost", port: 0, unix: socket };

  return async (request, info) => {
    const { method } = request;
    info.holdOpen();
    try {
      const sent = {
        method,
        path: pathOf(request.url),
        fields: fieldsOf(request, info),
        body: await bodyOf(request),
      };
      const answer = await upstream.send(origin, sent, {
        connectTimeoutMs: CONNECT_MS,
        requestTimeoutMs: ANSWER_MS,
        streamIdleTimeoutMs: 0,
        signal: () => request.signal,
        onEnd: info.letIdle,
      });
      const { status, body } = answer;
      return toResponse(status, answerFields(answer.fields, NO_FIELDS, body === null), body, method);
    } catch (thrown) {
      if (!(thrown instanceof UpstreamFailure)) throw thrown;
      if (thrown.kind === "aborted") return goneAnswer();
      // What it has begun to do must not be asked for again.
      const isRepeatable = !thrown.requestSent || hasNoBody(method);
      return isRepeatable
        ? away(request, info)
        : ownAnswer("bad_gateway", request.headers.get("accept"), undefined);
    }
  };
}

/** All but what concerns one connection only, or is framed anew. */
function fieldsOf({ headers }: Request, { peer, peerTrusted }: OwnInfo): Field[] {
  const said = [...headers].filter(([name]) => !OURS.has(name));
  return [...said, [PEER, peer], [TRUSTED, String(peerTrusted)]];
}

async function bodyOf(request: Request): Promise<OutgoingBody> {
  if (hasNoBody(request.method)) return null;
  const contentLength = request.headers.get("content-length") ?? undefined;
  try {
    return await readBody(request, announcedLength({ contentLength }), 0, () => {});
  } catch (thrown) {
    throw new UpstreamFailure("aborted", messageOf(thrown), false, false);
  }
}

/** The supervisor's end of it: answers what workers hand over. Disposing cuts what is under way. */
export function openOwnDoor(
  path: string,
  clock: Clock,
  { own, onDefect }: Pick<ProgramHooks, "own" | "onDefect">,
): Promise<AsyncDisposable> {
  return claimSocket(path, clock, (unix) => {
    const server = Bun.serve({
      unix,
      ...UNHURRIED,
      development: false,
      maxRequestBodySize: Number.POSITIVE_INFINITY,
      error(error) {
        onDefect?.(error);
        return ownAnswer("internal", null, undefined);
      },
      fetch(request) {
        const { headers } = request;
        const peer = headers.get(PEER) ?? "";
        const peerTrusted = headers.get(TRUSTED) === "true";
        headers.delete(PEER);
        headers.delete(TRUSTED);
        return own(request, { peer, peerTrusted, holdOpen() {}, letIdle() {} });
      },
    });
    return { [Symbol.asyncDispose]: () => server.stop(true) };
  });
}
