// Requests for the program's own hosts: they go, as any other, to a server of Bun's behind a socket that only we can open.
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AnswerHead } from "../../core/http1/answer-head.ts";
import { type RequestHead, readRequestHead } from "../../core/http1/request-head.ts";
import { RequestRules } from "../../core/http1/request-rules.ts";
import type { Route, Target } from "../../core/route.ts";
import type { Clock } from "../../platform/time/clock.ts";
import { ownAnswer, ownResponse } from "../answers.ts";
import type { OwnInfo, ProgramHooks } from "../data-plane.ts";
import { HttpTry } from "../forward/http-try.ts";
import { createInFlight, type InFlight, type Load } from "../forward/in-flight.ts";
import { expectsContinue } from "../forward/request-body.ts";
import { type Courier, RequestState } from "../forward/request-state.ts";
import { isIdempotent } from "../forward/retry.ts";
import type { Fate, TryContext, TryOwner } from "../forward/tries.ts";
import type { UpstreamFailure } from "../http-client.ts";
import type { ClientConnection } from "./client-connection.ts";

/** Say for whom a request is. A visitor's own never pass, and nobody else can reach the socket. */
const PEER = "x-own-peer";
const TRUSTED = "x-own-trusted";
const TLS = "x-own-tls";
/** Nobody asks further on. */
const PASSED = "x-own-passed";
/** The program judges what a visitor claims itself. */
const RULES = new RequestRules({
  passed: PASSED,
  overwritten: [PEER, TRUSTED, TLS],
  claims: "theirs",
});
/** Of a visitor whom a proxy that only passes bytes on has named: what he says of himself is nobody's word. */
const PROXIED_RULES = new RequestRules({
  passed: PASSED,
  overwritten: [PEER, TRUSTED, TLS],
  claims: "none",
});
/** Commands may wait for a drain, for a start, and for each other. */
const ANSWER_MS = 3_600_000;
const POLICY = {
  direct: "off",
  requestTimeoutMs: ANSWER_MS,
  streamIdleTimeoutMs: 0,
  waitMs: 0,
  maxBodyBytes: 0,
} as const;

export interface OwnHostsOptions {
  readonly tries: TryContext;
  readonly clock: Clock;
  /** The path of the socket where the program answers. */
  readonly socket: string;
  /** Answers while the program is away; undefined where it never is. */
  readonly away?: ((request: Request, info: OwnInfo) => Response | Promise<Response>) | undefined;
  /** Whether that is so right now. */
  isAway?(): boolean;
}

export class OwnHosts implements Courier, TryOwner {
  readonly #options: OwnHostsOptions;
  readonly #tries: TryContext;
  readonly #route: Route;
  readonly #target: Target;
  readonly #inFlight: InFlight;

  constructor(options: OwnHostsOptions) {
    this.#options = options;
    // It is no target of anybody's: nothing looks into its health.
    this.#tries = { ...options.tries, hooks: { onTrouble() {} }, onGarbage() {} };
    const address = { host: "localhost", port: 0, unix: options.socket };
    this.#target = { id: "own", label: "own", address, weight: 0, readiness: "ready" };
    this.#route = { name: "own", hosts: [], targets: [this.#target], epoch: 0, policy: POLICY };
    this.#inFlight = createInFlight(options.clock);
  }

  /** The request as it goes on: its fields as they came, with who asks. */
  take(client: ClientConnection, head: RequestHead): RequestState {
    // The proxy's address is what has rights here, and the visitor's is what it asks for: he is not on this machine because it is.
    const isProxied = client.visitor !== client.peer;
    const own = readRequestHead(head.bytes, head.end, isProxied ? PROXIED_RULES : RULES);
    const host = own.authority ?? (own.host.start < 0 ? client.localHost : undefined);
    const added =
      (host === undefined ? "" : `Host: ${host}\r\n`) +
      (isProxied ? `X-Forwarded-For: ${client.visitor}\r\n` : "") +
      `${PEER}: ${client.peer}\r\n${TRUSTED}: ${client.peerTrusted}\r\n${TLS}: ${client.isTls}\r\n\r\n`;
    const facts = {
      courier: this,
      visitor: client.peer,
      added,
      isSecure: client.isTls,
      asksUpgrade: false,
      expectsContinue: own.expect.start >= 0 && expectsContinue(own),
    };
    return new RequestState(client, own, facts, this.#route, undefined);
  }

  forward(visit: RequestState): void {
    if (this.#options.isAway?.() === true) void this.#answerAway(visit);
    else this.#try(visit);
  }

  #try(visit: RequestState): void {
    visit.attempts += 1;
    new HttpTry(this.#tries, this, visit, this.#target, this.#inFlight.of(this.#target.id)).start();
  }

  onAnswer(visit: RequestState, _target: Target, load: Load): Fate {
    load.unanswered.answered(visit);
    return "pass";
  }

  writeHead(
    _visit: RequestState,
    _target: Target,
    _load: Load,
    head: AnswerHead,
    unchunked: boolean,
    to: Buffer,
  ): number {
    return head.write(to, 0, unchunked);
  }

  onDropped(): void {}

  onFailure(visit: RequestState, _target: Target, load: Load, failure: UpstreamFailure): void {
    load.unanswered.failed(visit, false);
    const { client, head, method } = visit;
    if (failure.kind === "aborted") {
      client.cut(visit);
      return;
    }
    if (failure.kind === "body_timeout") {
      client.answer(ownAnswer("late_body", head.field("accept"), undefined), "");
      return;
    }
    // What it has begun to do must not be asked for again.
    const isRepeatable = !failure.requestSent || (visit.body.isEmpty && isIdempotent(method));
    if (isRepeatable && this.#options.away !== undefined) void this.#answerAway(visit);
    else client.answer(ownAnswer("bad_gateway", head.field("accept"), undefined), "");
  }

  async #answerAway(visit: RequestState): Promise<void> {
    const { client, head, method } = visit;
    try {
      const request = new Request(`http://own${head.path}`, { method });
      const info = { peer: client.peer, peerTrusted: client.peerTrusted, isTls: client.isTls };
      const response = await this.#options.away?.(request, info);
      if (response === undefined) throw new Error("nobody answers");
      const { status, headers } = response;
      const body = new Uint8Array(await response.arrayBuffer());
      client.answer({ status, fields: [...headers], body, endsConnection: false }, "");
    } catch {
      client.answer(ownAnswer("internal", undefined, undefined), "");
    }
  }
}

/** Where the program answers: a server of Bun's on a unix socket, told who asks. */
export function serveOwnHosts(unix: string, { own, onDefect }: Pick<ProgramHooks, "own" | "onDefect">) {
  // On a unix socket too, though its type knows nothing of it, quiet handlers would be cut after 10 s.
  const unhurried: object = { idleTimeout: 0 };
  return Bun.serve({
    unix,
    ...unhurried,
    development: false,
    maxRequestBodySize: Number.POSITIVE_INFINITY,
    error(error) {
      onDefect?.(error);
      return ownResponse("internal");
    },
    fetch(request) {
      const { headers } = request;
      const peer = headers.get(PEER) ?? "";
      const peerTrusted = headers.get(TRUSTED) === "true";
      const isTls = headers.get(TLS) === "true";
      for (const name of [PEER, TRUSTED, TLS]) headers.delete(name);
      return own(request, { peer, peerTrusted, isTls });
    },
  });
}

const SOCKET = /^own_([0-9]+)_[0-9a-f]{8}$/;

/** A door of this process's own in a private directory, or in one made for it; what dead processes left there is removed. */
export function openPrivateDoor(
  directory: string | undefined,
  hooks: Pick<ProgramHooks, "own" | "onDefect">,
) {
  const made = directory === undefined ? mkdtempSync(join(tmpdir(), "ten-own-")) : undefined;
  const where = made ?? (directory as string);
  for (const name of readdirSync(where)) {
    const pid = SOCKET.exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) rmSync(join(where, name), { force: true });
  }
  const socket = join(where, `own_${process.pid}_${crypto.randomUUID().slice(0, 8)}`);
  const server = serveOwnHosts(socket, hooks);
  chmodSync(socket, 0o600);
  return {
    socket,
    async close(): Promise<void> {
      await server.stop(true);
      rmSync(made ?? socket, { force: true, recursive: true });
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}
