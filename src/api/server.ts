// An admin API, built from a contract and one handler per operation.
import { type Context, Hono } from "hono";
import { advice } from "../core/did-you-mean.ts";
import { Fault, messageOf } from "../core/fault.ts";
import { canonicalHost } from "../core/host.ts";
import { quote } from "../core/quote.ts";
import { systemFault } from "../core/system-error.ts";
import type { Clock } from "../platform/time/clock.ts";
import { type Access, type Caller, dashboardAt, type Limits, type Peer } from "./access.ts";
import type { Acting } from "./acting.ts";
import type { Browser, Env } from "./browser.ts";
import {
  type Answerable,
  type Contract,
  MEDIA_TYPES,
  type OldNames,
  type Operation,
  type Progress,
  type Received,
} from "./operation.ts";
import { type Principal, requireScope } from "./principal.ts";
import { receive } from "./receive.ts";
import { eventStream, type ProgressLine, progressStream, type Streamed } from "./stream.ts";

/** One call of an operation: its checked input, and who calls. */
export interface Call<O extends Operation> extends Received<O> {
  /** Nobody, for an `open` operation. */
  readonly principal: O["scope"] extends "open" ? undefined : Principal;
  readonly peer: Peer;
  /** Fires when the client has gone. What was begun is the handler's to finish or undo. */
  readonly signal: AbortSignal;
}

type Awaitable<T> = T | Promise<T>;

/** Throw a Fault for every error that the caller can act on; for `events`, before the iterable is returned. */
export type Handler<O extends Operation> = O["transport"] extends "events"
  ? (call: Call<O>) => Awaitable<AsyncIterable<Answerable<O>>>
  : O["transport"] extends "progress"
    ? (call: Call<O>, report: (progress: Progress) => void) => Promise<Answerable<O>>
    : (call: Call<O>) => Awaitable<Answerable<O>>;

export type Handlers<C extends Contract> = { readonly [K in keyof C]: Handler<C[K]> };

interface ApiOptions<C extends Contract> {
  readonly contract: C;
  readonly handlers: Handlers<C>;
  readonly oldNames?: OldNames | undefined;
  readonly access: Pick<Access, "authorise" | "admit">;
  /** Throws a Fault when what a request is about is not the caller's. */
  readonly guard?: ((principal: Principal, received: Received<Operation>) => void) | undefined;
  readonly acting: Acting;
  /** The dashboard; without one no browser is answered. */
  readonly browser?: Browser;
  /** `ten/0.1.0`, sent as the Server header: how a client notices that it talks to another version. */
  readonly product: string;
  /** Whether a Host header (lower case, no port) may name this API: a page of a rebound DNS name may not. */
  readonly ownHost: (host: string, peer: Peer) => boolean;
  /** Told of a change that a caller was refused, though its token is right, or that failed. */
  readonly onFailed?: (fault: Fault, operation: string) => void;
  /** Told of everything thrown that is not a Fault: a defect, which the caller sees as `internal`. */
  readonly onDefect: (error: unknown, operation: string) => void;
  readonly clock: Clock;
  /** What has to come before a change is answered as done. */
  readonly kept?: (() => Promise<void>) | undefined;
}

export interface Api {
  /** Never rejects. `request.signal` must fire when the client goes away. Without `limits` the connection has none. */
  fetch(request: Request, peer: Peer, limits?: Limits): Promise<Response>;
}

/** The version is Prometheus's of its text format, and says nothing to anybody else. */
const TEXT = `${MEDIA_TYPES.text}; version=0.0.4; charset=utf-8`;

const NO_LIMITS: Limits = { holdOpen() {}, letIdle() {} };

type AnyHandler = (call: unknown, report?: (progress: Progress) => void) => unknown;

export function createApi<const C extends Contract>(options: ApiOptions<C>): Api {
  const { contract, product, ownHost, browser } = options;
  const app = new Hono<Env>();
  app.use(({ req, env }, next) => {
    refuseStrangers(req.raw, env.peer, ownHost, browser);
    return next();
  });
  browser?.serve(app);
  for (const [name, operation] of Object.entries(contract)) {
    const handler = options.handlers[name] as AnyHandler;
    app.on(operation.method, operation.path, (context) => answer(context, name, operation, handler, options));
  }
  for (const [path, methods] of methodsByPath(contract)) {
    app.all(path, ({ req }) => {
      const fault = new Fault(
        "not_found",
        `${req.method} is not allowed here`,
        `use ${methods.join(" or ")}`,
      );
      return Response.json(fault.toJson(), { status: 405, headers: { Allow: methods.join(", ") } });
    });
  }
  const paths = Object.values(contract).map(({ path }) => path);
  app.notFound(({ req }) =>
    faultResponse(
      new Fault(
        "not_found",
        `there is no ${quote(req.path)} here`,
        advice(req.path, paths, "docs/api.md lists all operations"),
      ),
    ),
  );
  app.onError((error, { req, env }) => {
    if (error instanceof Fault) return faultResponse(error);
    if (!req.raw.signal.aborted) options.onDefect(error, `${req.method} ${req.path}`);
    return faultResponse(defect(error, env.peer));
  });
  return {
    async fetch(request, peer, limits = NO_LIMITS) {
      const response = await app.fetch(request, { peer, limits });
      response.headers.set("Server", product);
      if (!response.headers.has("Cache-Control")) response.headers.set("Cache-Control", "no-store");
      response.headers.set("X-Content-Type-Options", "nosniff");
      return response;
    },
  };
}

function methodsByPath(contract: Contract): Map<string, string[]> {
  const paths = new Map<string, string[]>();
  for (const { path, method } of Object.values(contract))
    paths.set(path, [...(paths.get(path) ?? []), method]);
  return paths;
}

/** Browsers send Origin with everything but plain navigation, and a page cannot forge Host: both keep it from acting as us. */
function refuseStrangers(
  request: Request,
  peer: Peer,
  ownHost: (host: string, peer: Peer) => boolean,
  browser: Browser | undefined,
): void {
  if (request.headers.has("origin") && !browser?.isOwnPage(request, peer))
    throw new Fault("forbidden", "requests from web pages are refused");
  const said = request.headers.get("host") ?? "";
  const host = canonicalHost(said) ?? said;
  if (!ownHost(host, peer)) throw new Fault("forbidden", `${quote(host)} is not a host of this API`);
}

async function answer<C extends Contract>(
  { req, env }: Context<Env>,
  name: string,
  operation: Operation,
  handler: AnyHandler,
  options: ApiOptions<C>,
): Promise<Response> {
  const { access, acting, guard, clock, oldNames } = options;
  const { peer, limits } = env;
  const caller = operation.scope === "open" ? undefined : callerOf(req.raw, peer, options);
  const as = <T>(work: () => T) => (caller ? acting.as({ ...caller, operation: name }, work) : work());
  const isChange = operation.method !== "GET";
  const span = openSpan(req.raw, caller, limits);
  const faultOf = (error: unknown) => {
    const fault = error instanceof Fault ? error : defect(error, peer);
    // Who has left in the middle of a request is no defect of ours.
    if (fault !== error && !req.raw.signal.aborted) options.onDefect(error, name);
    if (caller && isChange) as(() => options.onFailed?.(fault, name));
    return fault;
  };
  try {
    if (caller) requireScope(caller.principal, operation);
    if (caller && peer.door === "network") span.atEnd(access.admit(caller.principal));
    const received = await receive(operation, req.raw, req.param(), { clock, oldNames });
    if (caller) guard?.(caller.principal, received as Received<Operation>);
    // Only now is it known that the caller may ask, and for what: a stranger's connection keeps its limits.
    span.hold();
    const call = { ...received, principal: caller?.principal, peer, signal: span.signal };
    const work = async (report?: (progress: Progress) => void) => {
      const result = await as(() => handler(call, report));
      if (isChange) await options.kept?.();
      return result;
    };
    return await respond(operation, work, faultOf, {
      clock,
      onGone: span.onGone,
      onEnd: span.end,
      refusal: span.refusal,
      onDefect: (error) => options.onDefect(error, name),
    });
  } catch (error) {
    span.end();
    throw faultOf(error);
  }
}

/** How long a call lasts: until its client has gone, its caller may not go on, or its answer has ended. */
function openSpan(request: Request, caller: Caller | undefined, { holdOpen, letIdle }: Limits) {
  const gone = new AbortController();
  const endings: (() => void)[] = [];
  const onGone = () => gone.abort(new Fault("stopped_waiting", "the client has gone"));
  const onRevoked = () => gone.abort(caller?.ended.reason);
  request.signal.addEventListener("abort", onGone, { once: true });
  caller?.ended.addEventListener("abort", onRevoked, { once: true });
  endings.push(() => caller?.ended.removeEventListener("abort", onRevoked));
  return {
    signal: gone.signal,
    onGone,
    refusal: () => (caller?.ended.reason instanceof Fault ? caller.ended.reason : undefined),
    atEnd: (call: () => void) => endings.push(call),
    /** Exempts the connection from its limits until the end. */
    hold() {
      holdOpen();
      endings.push(letIdle);
    },
    end() {
      for (const ending of endings.splice(0)) ending();
    },
  };
}

/** By the session of our own page, or else by the door and the token. */
function callerOf<C extends Contract>(
  request: Request,
  peer: Peer,
  { browser, access }: ApiOptions<C>,
): Caller {
  if (!browser?.isOwnPage(request, peer)) return access.authorise(request, peer);
  return { ...browser.session(request, peer), from: dashboardAt(peer.address) };
}

async function respond(
  { transport = "json", answer: shape }: Operation,
  work: (report?: (progress: Progress) => void) => unknown,
  faultOf: (error: unknown) => Fault,
  streamed: Streamed,
): Promise<Response> {
  switch (transport) {
    case "json": {
      const response = Response.json(shape.parse(await work()));
      streamed.onEnd();
      return response;
    }
    case "text": {
      const text = String(await work());
      streamed.onEnd();
      return new Response(text, { headers: { "Content-Type": TEXT } });
    }
    case "events":
      return stream(MEDIA_TYPES.events, eventStream((await work()) as AsyncIterable<unknown>, streamed));
    case "progress":
      return stream(
        MEDIA_TYPES.progress,
        progressStream(async (report): Promise<ProgressLine> => {
          try {
            return { type: "result", result: shape.parse(await work(report)) };
          } catch (error) {
            return { type: "error", ...faultOf(error).toJson() };
          }
        }, streamed),
      );
  }
}

/** A proxy that buffers (nginx by default) would keep progress, and heartbeats, until the end. */
function stream(type: string, body: ReadableStream<Uint8Array>): Response {
  return new Response(body, { headers: { "Content-Type": type, "X-Accel-Buffering": "no" } });
}

function faultResponse(fault: Fault): Response {
  const headers: Record<string, string> = {};
  if (fault.code === "unauthorised") headers["WWW-Authenticate"] = "Bearer";
  if (fault.code === "too_many") headers["Retry-After"] = "60";
  return Response.json(fault.toJson(), { status: fault.status, headers });
}

/** Only the owner of the socket learns what broke inside, and what the system has refused. */
function defect(error: unknown, peer: Peer): Fault {
  const refused = peer.door === "socket" ? systemFault(error) : undefined;
  if (refused) return refused;
  return new Fault(
    "internal",
    peer.door === "socket" ? `internal error: ${messageOf(error)}` : "internal error",
  );
}
