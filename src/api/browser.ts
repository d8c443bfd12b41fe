// What a browser may ask: the dashboard's own page, by the cookie of its session and from its own origin; every other page is refused.
import type { Hono } from "hono";
import { z } from "zod";
import { Fault } from "../core/fault.ts";
import type { Clock } from "../platform/time/clock.ts";
import type { Limits, Peer } from "./access.ts";
import { PAGE_FIELD, SESSION_PATH } from "./page-field.ts";
import type { Principal } from "./principal.ts";
import { receive } from "./receive.ts";
import { SESSION_MS, type Session, type Sessions } from "./session.ts";
import { hashToken } from "./token.ts";

/** One file of the page. */
export interface PageFile {
  readonly path: `/${string}`;
  readonly type: string;
  readonly text: string;
}

export type Env = { Bindings: { readonly peer: Peer; readonly limits: Limits } };

/** The page of a program: its files, and who it speaks for. */
export interface Browser {
  /** Whether the request is our own page's. Throws `forbidden` for one of any other page. */
  isOwnPage(request: Request, peer: Peer): boolean;
  /** Who the page has logged in as; throws `unauthorised` when it has not, or no longer. */
  session(request: Request, peer: Peer): Session;
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
/** So long is either half of a session's id, at least. */
const SECRET_CHARS = 20;
/** Cookies of one name that are looked at. */
const COOKIES_MAX = 10;
const secret = z.union([
  z.strictObject({ token: z.string().min(1).max(200) }),
  z.strictObject({ code: z.string().min(1).max(200) }),
]);

/** `name` is the program's, part of the cookie's name. */
export function createBrowser(parts: {
  readonly name: string;
  readonly files: readonly PageFile[];
  readonly sessions: Sessions;
  readonly clock: Clock;
  /** Told of each login. */
  readonly onLogin?: (principal: Principal, peer: Peer) => void;
}): Browser {
  const { name, files, sessions } = parts;

  /**
   * Cookies do not keep ports apart, so the half of the secret that the page keeps for itself is in the name: a program on
   * another port that is sent the cookie has not got it in the field, and a sibling domain that sets cookies cannot name it.
   */
  function cookieName(origin: URL, half: string): string {
    return `${origin.protocol === "https:" ? "__Host-" : ""}${name}-session-${hashToken(half).slice(0, 16)}`;
  }

  function cookie(origin: URL, { half, value }: Halves, seconds: number): string {
    const secure = origin.protocol === "https:" ? "; Secure" : "";
    return `${cookieName(origin, half)}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${secure}`;
  }

  /**
   * The ids of sessions that a request claims: what cookies say, and what the page says. Several when somebody else has set
   * a cookie of that name, for a path or a domain above: which one is ours the session tells.
   */
  function idsOf(request: Request, peer: Peer): string[] {
    const half = request.headers.get(PAGE_FIELD) ?? "";
    if (half.length < SECRET_CHARS) return [];
    const start = `${cookieName(requireOrigin(request, peer), half)}=`;
    const pairs = (request.headers.get("cookie") ?? "").split(/; */).filter((one) => one.startsWith(start));
    return pairs.slice(0, COOKIES_MAX).map((pair) => joined({ half, value: pair.slice(start.length) }));
  }

  function find(request: Request, peer: Peer): Session | undefined {
    for (const id of idsOf(request, peer)) {
      const session = sessions.find(id);
      if (session) return session;
    }
    return undefined;
  }

  function end(request: Request, peer: Peer): void {
    for (const id of idsOf(request, peer)) sessions.end(id);
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
        const { body } = await receive({ body: secret }, req.raw, {}, { clock: parts.clock });
        const halves = halvesOf(sessions.begin(body as z.infer<typeof secret>, env.peer.address));
        end(req.raw, env.peer);
        const principal = sessions.find(joined(halves))?.principal;
        if (principal) parts.onLogin?.(principal, env.peer);
        const headers = { "Set-Cookie": cookie(requireOrigin(req.raw, env.peer), halves, SESSION_MS / 1000) };
        return Response.json({ ...principal, page: halves.half }, { headers });
      });
      app.delete(SESSION_PATH, ({ req, env }) => {
        requirePage(req.raw, env.peer);
        end(req.raw, env.peer);
        const half = req.raw.headers.get(PAGE_FIELD) ?? "";
        const gone = cookie(requireOrigin(req.raw, env.peer), { half, value: "" }, 0);
        return Response.json({ scope: null }, { headers: { "Set-Cookie": gone } });
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

/** A session's id in two: the page keeps one half in its own storage and sends it in a field, the browser the other in a cookie. */
interface Halves {
  readonly half: string;
  readonly value: string;
}

function halvesOf(id: string): Halves {
  return { half: id.slice(0, id.length / 2), value: id.slice(id.length / 2) };
}

function joined({ half, value }: Halves): string {
  return `${half}${value}`;
}

function answerFile(file: PageFile, request: Request): Response {
  const { etag, zipped } = preparedOf(file);
  const isZipped = takesGzip(request);
  // Asked for again each time, so that a new server never meets an old page.
  const headers: Record<string, string> = {
    ...SECURE_HEADERS,
    "Content-Type": file.type,
    "Cache-Control": "no-cache",
    Vary: "Accept-Encoding",
    // Each encoding is another representation: RFC 9110, section 8.8.3.
    ETag: isZipped ? `"${etag}-gzip"` : `"${etag}"`,
  };
  if (request.headers.get("if-none-match") === headers.ETag)
    return new Response(null, { status: 304, headers });
  if (!isZipped) return new Response(file.text, { headers });
  return new Response(zipped, { headers: { ...headers, "Content-Encoding": "gzip" } });
}

interface Prepared {
  readonly etag: string;
  readonly zipped: Uint8Array<ArrayBuffer>;
}

/** Made when a file is first asked for. */
const prepared = new WeakMap<PageFile, Prepared>();

function preparedOf(file: PageFile): Prepared {
  const known = prepared.get(file);
  if (known) return known;
  const made = { etag: Bun.hash(file.text).toString(36), zipped: Bun.gzipSync(file.text, { level: 9 }) };
  prepared.set(file, made);
  return made;
}

function takesGzip(request: Request): boolean {
  const accepted = (request.headers.get("accept-encoding") ?? "").toLowerCase();
  return accepted.split(",").some((one) => /^\s*gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*$).*)?$/.test(one));
}
