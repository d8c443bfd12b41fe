// An admin API on a unix socket, which knows who has opened each connection: node:http, as Bun.serve does not let go of descriptors.
import { existsSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSocketServer, type Socket } from "node:net";
import type { Fault } from "../core/fault.ts";
import { createPeerCredentials, type PeerCredentials } from "../platform/net/peer-credentials.ts";
import { userEntry } from "../platform/process/account.ts";
import { type Peer, SOCKET_PEER } from "./access.ts";
import type { Api } from "./server.ts";

/** Of a request's body, until its handler asks for more. */
const HELD_BYTES = 262_144;

/** Why a process may not use the socket; undefined when it may. */
export type RefusePeer = (credentials: PeerCredentials) => Fault | undefined;

/**
 * Listens on the path until disposed, which cuts every connection: streams have no end of their own. The path must be free,
 * and its permissions are the caller's affair.
 */
export function listenSocket(api: Api, path: string, refuse: RefusePeer): AsyncDisposable {
  const credentialsOf = createPeerCredentials();
  const connections = new Map<Socket, Peer | Fault>();
  const http = createServer(
    { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0 },
    (request, response) => {
      const peer = connections.get(request.socket) ?? SOCKET_PEER;
      void answer(api, peer, request, response);
    },
  );
  http.timeout = 0;
  const sockets = createSocketServer({ allowHalfOpen: true }, (socket) => {
    connections.set(socket, peerAt(credentialsOf(descriptorOf(socket)), refuse));
    socket.on("error", () => {});
    socket.once("close", () => connections.delete(socket));
    http.emit("connection", socket);
  });
  let failure: unknown;
  sockets.on("error", (error) => {
    failure = error;
  });
  sockets.listen(path);
  // The name is there at once; what went wrong is told later, when nobody waits for it any more.
  if (!existsSync(path))
    throw failure ?? new Error(`no socket can be made there (${Buffer.byteLength(path)} bytes)`);
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => sockets.close(() => resolve()));
      for (const socket of connections.keys()) socket.destroy();
      await closed;
    },
  };
}

function peerAt(credentials: PeerCredentials | undefined, refuse: RefusePeer): Peer | Fault {
  if (!credentials) return SOCKET_PEER;
  const { uid } = credentials;
  return (
    refuse(credentials) ?? { ...SOCKET_PEER, user: `${userEntry(String(uid))?.name ?? "user"} (uid ${uid})` }
  );
}

/** Not in the types: the descriptor of an accepted socket. */
function descriptorOf(socket: Socket): number {
  return (socket as { readonly _handle?: { readonly fd?: number } })._handle?.fd ?? -1;
}

async function answer(
  api: Api,
  peer: Peer | Fault,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const answered =
    "door" in peer
      ? await api.fetch(toRequest(message, gone.signal), peer)
      : Response.json(peer.toJson(), { status: peer.status });
  response.writeHead(answered.status, Object.fromEntries(answered.headers));
  await send(answered, response, gone.signal).catch(() => response.destroy());
}

function toRequest(message: IncomingMessage, signal: AbortSignal): Request {
  const { method = "GET", url = "/", headers } = message;
  const hasBody = method !== "GET" && method !== "HEAD";
  const fields = Object.entries(headers).map(([name, value]): [string, string] => [
    name,
    Array.isArray(value) ? value.join(", ") : (value ?? ""),
  ]);
  const body = hasBody ? bodyOf(message) : null;
  // The host is checked by the API, from its field: what stands in the URL is not looked at.
  return new Request(`http://localhost${url}`, { method, headers: fields, body, signal, duplex: "half" });
}

/** Takes the next piece only when it is asked for. Bun goes on reading for a request that is full, so its socket is stopped. */
function bodyOf(message: IncomingMessage): ReadableStream<Uint8Array> {
  const pieces = message[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  const { socket } = message;
  const stopWhenFull = () => {
    if (message.readableLength > HELD_BYTES) socket.pause();
  };
  const goOn = () => {
    if (socket.isPaused()) socket.resume();
  };
  const end = () => {
    socket.off("data", stopWhenFull);
    goOn();
  };
  socket.on("data", stopWhenFull);
  message.once("close", end);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (message.readableLength <= HELD_BYTES) goOn();
        const { done, value } = await pieces.next();
        if (done) end();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel() {
        end();
        // Dropped, and not cut: the answer that says why is on its way.
        while (!(await pieces.next()).done);
      },
    },
    { highWaterMark: 0 },
  );
}

/** Takes the next piece of the answer only when the client has room for it. */
async function send({ body }: Response, response: ServerResponse, gone: AbortSignal): Promise<void> {
  if (body) {
    const reader = body.getReader();
    gone.addEventListener("abort", () => void reader.cancel().catch(() => {}), { once: true });
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (!response.write(value))
        await new Promise((resolve) => response.once("drain", resolve).once("close", resolve));
    }
  }
  response.end();
}
