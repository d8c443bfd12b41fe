// A plane between an origin that notes every byte and a client that sends and shows every byte.
import { connect, createServer, type Socket } from "node:net";
import { systemClock } from "../../../src/platform/time/clock.ts";
import { createInProcessPlane } from "../../../src/proxy/front/in-process.ts";
import { createUpstream } from "../../../src/proxy/upstream/upstream.ts";
import { startPlane } from "../../support/plane.ts";
import { route, target } from "../../support/routes.ts";
import { until } from "../../support/until.ts";
import { type Message, nameOf, type Read, readAnswers, readRequests } from "./messages.ts";

export const HOST = "api.example.com";
export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** What the origin does with a request: bytes, or its own way with the socket. */
export type Answering = string | ((request: Message, socket: Socket) => void);

export interface Origin {
  /** Whole requests in the order in which they came, over all connections. */
  readonly requests: readonly Message[];
  /** Every byte of every connection. */
  received(): string;
  /** Connections that are open. */
  readonly open: number;
}

export interface Talk {
  readonly socket: Socket;
  text(): string;
  send(bytes: string): void;
  /** The first `count` answers, once they are whole. Rejects when the connection ends before. */
  answers(count: number, methods?: readonly string[]): Promise<readonly Message[]>;
  /** Resolves when the other end has finished, in order or by a reset. */
  readonly ended: Promise<"end" | "reset">;
  readonly isOver: boolean;
}

export interface Proxied extends AsyncDisposable {
  readonly url: URL;
  readonly origin: Origin;
  /** Names that the proxy adds to every request, and to every answer. */
  readonly added: { readonly request: ReadonlySet<string>; readonly answer: ReadonlySet<string> };
  /** What the origin does from now on. */
  answer(how: Answering): void;
  /** Forgets what the origin has seen. */
  forget(): void;
  talk(): Promise<Talk>;
}

const OPEN_MS = 20_000;

export async function startProxied(): Promise<Proxied> {
  let answering: Answering = OK;
  const sockets = new Set<Socket>();
  const connections: { text: string; unread: string }[] = [];
  let requests: Message[] = [];

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const state = { text: "", unread: "" };
    connections.push(state);
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.on("end", () => socket.end());
    socket.on("data", (bytes) => {
      const piece = bytes.toString("latin1");
      state.text += piece;
      state.unread += piece;
      const read = readThose(state.unread);
      state.unread = read.rest;
      for (const request of read.messages) {
        requests.push(request);
        if (typeof answering === "string") socket.write(Buffer.from(answering, "latin1"));
        else answering(request, socket);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const front = await startPlane((options) =>
    createInProcessPlane(options, createUpstream({ clock: systemClock })),
  );
  const address = { host: "127.0.0.1", port };
  await front.plane.publish([
    route("api", [target("api:v1", { address })], { hosts: [HOST, "other.example"] }),
  ]);
  const { url } = front.plane;
  const talks = new Set<Socket>();

  async function talk(): Promise<Talk> {
    const opened = await openTalk(url);
    talks.add(opened.socket);
    opened.socket.on("close", () => talks.delete(opened.socket));
    return opened;
  }

  const proxied = {
    url,
    origin: {
      get requests() {
        return requests;
      },
      received: () => connections.map(({ text }) => text).join(""),
      get open() {
        return sockets.size;
      },
    },
    added: { request: new Set<string>(), answer: new Set<string>() },
    answer(how: Answering) {
      answering = how;
    },
    forget() {
      requests = [];
      for (const state of connections) state.text = "";
      answering = OK;
    },
    talk,
    async [Symbol.asyncDispose]() {
      for (const socket of talks) socket.destroy();
      await front[Symbol.asyncDispose]();
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  const first = await talk();
  first.send(`GET /first HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`);
  const [answer] = await first.answers(1);
  for (const field of requests[0]?.fields ?? []) proxied.added.request.add(nameOf(field));
  for (const field of answer?.fields ?? []) proxied.added.answer.add(nameOf(field));
  for (const name of ["host"]) proxied.added.request.delete(name);
  for (const name of ["content-length", "transfer-encoding", "content-type"])
    proxied.added.answer.delete(name);
  for (const name of ["connection", "keep-alive"]) {
    proxied.added.request.add(name);
    proxied.added.answer.add(name);
  }
  first.socket.destroy();
  proxied.forget();
  return proxied;
}

/** What is no HTTP is seen in `received` only. */
function readThose(text: string): Read {
  try {
    return readRequests(text);
  } catch {
    return { messages: [], rest: text };
  }
}

function openTalk(url: URL): Promise<Talk> {
  const socket = connect({
    host: url.hostname,
    port: Number(url.port),
    allowHalfOpen: true,
    noDelay: true,
  });
  let text = "";
  let isOver = false;
  const ended = Promise.withResolvers<"end" | "reset">();
  socket.on("data", (bytes) => {
    text += bytes.toString("latin1");
  });
  const finish = (how: "end" | "reset") => {
    isOver = true;
    ended.resolve(how);
  };
  socket.on("end", () => finish("end"));
  socket.on("error", () => finish("reset"));
  socket.on("close", () => finish("reset"));
  const talk: Talk = {
    socket,
    text: () => text,
    send: (bytes) => void socket.write(Buffer.from(bytes, "latin1")),
    ended: ended.promise,
    get isOver() {
      return isOver;
    },
    answers: (count, methods = []) =>
      until(`${count} answers are whole; there is ${JSON.stringify(text.slice(0, 2_000))}`, () => {
        const { messages } = readAnswers(text, methods, isOver);
        if (messages.length < count && isOver)
          throw new Error(
            `the connection ended after ${messages.length} of ${count} answers: ${JSON.stringify(text.slice(0, 2_000))}`,
          );
        return messages.length >= count && messages;
      }),
  };
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("no connection")), OPEN_MS);
    socket.once("connect", () => {
      clearTimeout(late);
      resolve(talk);
    });
    socket.once("error", reject);
  });
}
