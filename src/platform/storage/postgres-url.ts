// The URL of a PostgreSQL-compatible database: what of it may be shown, and how the way to it is protected.
import { Fault } from "../../core/fault.ts";
import { createNetworks } from "../../core/ip-address.ts";

export const URL_HINT = "write postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full";

const isLoopback = createNetworks(["127.0.0.0/8", "::1"]);

/** Whether a text names such a database, and not a file. */
export function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//i.test(text);
}

/** The URL as it may be shown: who, where, which. */
export function withoutPassword(text: string): string {
  if (!isPlain(text)) return text.replace(/:\/\/.*@/, "://").replace(/[?#].*/, "");
  const url = new URL(text);
  url.password = url.search = url.hash = "";
  return url.href;
}

/** A path, or a URL, as it may be shown. */
export function shownDatabase(text: string): string {
  return isPostgresUrl(text) ? withoutPassword(text) : text;
}

/** Whether a URL has something that nobody is to see; when in doubt it has. */
export function hasPassword(text: string): boolean {
  return !isPlain(text) || new URL(text).password !== "" || /[?&](ssl)?pass/i.test(text);
}

/** Whether a password is where a URL has one: with a `/`, `?` or `#` in it, its beginning passes for a port. */
function isPlain(text: string): boolean {
  return URL.canParse(text) && !/:\/\/[^/?#@]*:[^/?#@]*[/?#].*@/.test(text);
}

/** Whether the certificate is to be verified, whatever the environment says (NODE_TLS_REJECT_UNAUTHORIZED). */
export function isVerified(text: string): boolean {
  return /^verify-/i.test(modeOf(text) ?? "");
}

/** Refuses a way to another machine of which nobody has said whether it may be in clear text. */
export function refuseUnprotected(text: string): void {
  if (modeOf(text) !== undefined || isHere(text)) return;
  throw new Fault(
    "usage",
    `${withoutPassword(text)} is on another machine, and does not say how the way to it is protected`,
    "add ?sslmode=verify-full to the URL; sslmode=disable only in a network of your own",
  );
}

function modeOf(text: string): string | undefined {
  return /[?&]ssl-?_?mode=([a-z-]+)/i.exec(text)?.[1];
}

/** On this machine: by a loopback address, or by a unix socket. */
function isHere(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { hostname, searchParams } = new URL(text);
  const host = (searchParams.get("host") ?? decodeURIComponent(hostname)).replace(/^\[|\]$/g, "");
  return host === "" || host.startsWith("/") || /(^|\.)localhost$/i.test(host) || isLoopback(host);
}
