// What a browser may ask: the dashboard's own page, by the cookie of its session and from its own origin; every other page is refused.
import type { Hono } from "hono";
import { z } from "zod";
import { Fault } from "../core/fault.ts";
import type { Limits, Peer, Principal } from "./access.ts";
import { PAGE_FIELD, SESSION_PATH } from "./page-field.ts";
import { receive } from "./receive.ts";
import { SESSION_MS, type Session, type Sessions } from "./session.ts";

/** One file of the page. */
export interface PageFile {
  readonly path: `/${string}`;
  readonly type: string;
  readonly text: string;
}

export type Env = { Bindings: { readonly peer: Peer; readonly limits: Limits } };

/** The page of a program: its files, and who it speaks for. */
export interface Browser<P extends Principal> {
  /** Whether the request is our own page's. Throws `forbidden` for one of any other page. */
  isOwnPage(request: Request, peer: Peer): boolean;
  /** Who the page has logged in as; throws `unauthorised` when it has not, or no longer. */
  session(request: Request, peer: Peer): Session<P>;
  /** Adds the files, and where the page logs in and out. */
  serve(app: Hono<Env>): void;
}

const SECURE_HEADERS = {
  // With Trusted Types and no policy, not even a mistake of ours turns text into markup.
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "same-origin",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
};
/** A sibling domain may set cookies of the same name: ours is among them. */
const COOKIES_READ = 5;
const secret = z.union([
  z.strictObject({ token: z.string().min(1).max(200) }),
  z.strictObject({ code: z.string().min(1).max(200) }),
]);

/** `name` is the program's, part of the cookie's name. */
export function createBrowser<P extends Principal>(parts: {
  readonly name: string;
  readonly files: readonly PageFile[];
  readonly sessions: Sessions<P>;
}): Browser<P> {
  const { name, files, sessions } = parts;

  /** One for each port, as cookies do not keep those apart; where it can be, one that no sibling domain can set. */
  function cookieName(origin: URL): string {
    return `${origin.protocol === "https:" ? "__Host-" : ""}${name}-session-${portOf(origin)}`;
  }

  function cookie(origin: URL, value: string, seconds: number): string {
    const secure = origin.protocol === "https:" ? "; Secure" : "";
    return `${cookieName(origin)}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${secure}`;
  }

  function idsOf(request: Request, peer: Peer): string[] {
    const start = `${cookieName(requireOrigin(request, peer))}=`;
    return (request.headers.get("cookie") ?? "")
      .split(/; */)
      .filter((pair) => pair.startsWith(start))
      .slice(0, COOKIES_READ)
      .map((pair) => pair.slice(start.length));
  }

  function find(request: Request, peer: Peer): Session<P> | undefined {
    for (const id of idsOf(request, peer)) {
      const found = sessions.find(id);
      if (found) return found;
    }
    return undefined;
  }

  return {
    isOwnPage,
    session(request, peer) {
      const found = find(request, peer);
      if (!found) throw new Fault("unauthorised", "you are not logged in", "log in with a token");
      return found;
    },
    serve(app) {
      for (const file of files) app.get(file.path, ({ req }) => answerFile(file, req.raw));
      app.get(SESSION_PATH, ({ req, env }) => {
        requirePage(req.raw, env.peer);
        const found = find(req.raw, env.peer);
        return Response.json(found ? found.principal : { scope: null });
      });
      app.post(SESSION_PATH, async ({ req, env }) => {
        requirePage(req.raw, env.peer);
        const { body } = await receive({ body: secret }, req.raw, {});
        const id = sessions.begin(body as z.infer<typeof secret>, env.peer.address);
        for (const before of idsOf(req.raw, env.peer)) sessions.end(before);
        const headers = { "Set-Cookie": cookie(requireOrigin(req.raw, env.peer), id, SESSION_MS / 1000) };
        return Response.json(sessions.find(id)?.principal, { headers });
      });
      app.delete(SESSION_PATH, ({ req, env }) => {
        requirePage(req.raw, env.peer);
        for (const id of idsOf(req.raw, env.peer)) sessions.end(id);
        const headers = { "Set-Cookie": cookie(requireOrigin(req.raw, env.peer), "", 0) };
        return Response.json({ scope: null }, { headers });
      });
    },
  };
}

/** The origin under which the visitor sees this server; undefined when the request names no host. */
export function visitedOrigin(request: Request, peer: Peer): URL | undefined {
  const said = (name: string) =>
    peer.trusted ? request.headers.get(name)?.split(",")[0]?.trim() : undefined;
  const host = said("x-forwarded-host") ?? request.headers.get("host") ?? "";
  const scheme = said("x-forwarded-proto")?.toLowerCase() === "https" ? "https" : "http";
  const url = URL.parse(`${scheme}://${host}/`);
  return url?.username === "" && url.pathname === "/" ? url : undefined;
}

function requireOrigin(request: Request, peer: Peer): URL {
  const origin = visitedOrigin(request, peer);
  if (!origin) throw new Fault("forbidden", "the request does not say which host it is for");
  return origin;
}

function isOwnPage(request: Request, peer: Peer): boolean {
  const { headers, method } = request;
  const isMarked = headers.has(PAGE_FIELD);
  const origin = headers.get("origin");
  if (!isMarked && origin === null) return false;
  const own = visitedOrigin(request, peer)?.origin;
  // A page of another port or of a sibling domain is `same-site`, and as foreign as any.
  const site = headers.get("sec-fetch-site") ?? "same-origin";
  const isChange = method !== "GET" && method !== "HEAD";
  const isSame = origin === null ? !isChange : origin === own;
  if (isMarked && isSame && site === "same-origin") return true;
  throw new Fault(
    "forbidden",
    "requests from web pages are refused",
    isMarked && origin !== null
      ? `the page is of ${origin}, and this server is seen as ${own ?? "nothing"}: a proxy in front has to keep Host, or send X-Forwarded-Host and X-Forwarded-Proto from an address in trusted_proxies`
      : undefined,
  );
}

function requirePage(request: Request, peer: Peer): void {
  if (!isOwnPage(request, peer)) throw new Fault("forbidden", "only the page itself may ask this");
}

function portOf({ port, protocol }: URL): string {
  return port || (protocol === "https:" ? "443" : "80");
}

function answerFile({ type, text }: PageFile, request: Request): Response {
  const etag = `"${Bun.hash(text).toString(36)}"`;
  // Asked for again each time, so that a new server never meets an old page.
  const headers = { ...SECURE_HEADERS, "Content-Type": type, "Cache-Control": "no-cache", ETag: etag };
  if (request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers });
  return new Response(text, { headers });
}
