// What a Caddy on the same machine asks before it gets a certificate on demand: whether a host is one of ours.
import { TLS_CHECK_PATH } from "../core/caddyfile.ts";
import { canonicalHost } from "../core/host.ts";

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;
/** A visitor who comes through a proxy on this machine has one of these. */
const FORWARDING = ["x-forwarded-for", "forwarded", "via"];

/** 200 or 404; 403 for whoever is not on this machine. Undefined for every other request. */
export function answerTlsCheck(
  request: Request,
  peer: string,
  serves: (host: string) => boolean,
): Response | undefined {
  if (!request.url.includes(TLS_CHECK_PATH)) return undefined;
  const { pathname, searchParams } = new URL(request.url, "http://localhost");
  if (pathname !== TLS_CHECK_PATH) return undefined;
  const isHere = LOOPBACK.test(peer) && !FORWARDING.some((name) => request.headers.has(name));
  if (!isHere) return new Response("only for programs on this machine\n", { status: 403 });
  const host = canonicalHost(searchParams.get("domain") ?? "");
  const isOurs = host !== undefined && serves(host);
  return new Response(isOurs ? "ours\n" : "not ours\n", { status: isOurs ? 200 : 404 });
}
