// The cookie that keeps a visitor on the version that it saw, as text.
import type { SameSite } from "../../core/route.ts";
import { formatMark, type Mark, parseMark } from "../../core/sticky.ts";

/** The mark in a Cookie field; undefined when there is none, or one that was not written here. */
export function readMark(cookies: string | undefined, name: string): Mark | undefined {
  if (cookies === undefined) return undefined;
  for (const cookie of cookies.split(";")) {
    const equals = cookie.indexOf("=");
    if (cookie.slice(0, equals).trim() === name) return parseMark(cookie.slice(equals + 1).trim());
  }
  return undefined;
}

const WRITTEN = { lax: "Lax", strict: "Strict", none: "None" } as const;

/**
 * The value of Set-Cookie. It lasts as long as the browser's session; scripts do not see it, and unless told otherwise it goes with
 * links from elsewhere but not with their forms or frames (Lax). `isSecure`: the visitor came by https, so it never goes without;
 * one that goes into others' frames never does, as browsers take it in no other way.
 */
export function writeMark(name: string, mark: Mark, isSecure: boolean, sameSite: SameSite = "lax"): string {
  const secure = isSecure || sameSite === "none" ? "; Secure" : "";
  return `${name}=${formatMark(mark)}; Path=/; HttpOnly; SameSite=${WRITTEN[sameSite]}${secure}`;
}

/**
 * Whether an answer may carry a cookie, by its Cache-Control: what caches on the way keep for all visitors must not. `unsaid`: a cache
 * might keep it by rules of thumb (RFC 9111 section 4.2.2), so that it has to be said.
 */
export function mayCarryCookie(cacheControl: string | undefined): "yes" | "no" | "unsaid" {
  if (cacheControl === undefined) return "unsaid";
  if (/(?:^|[\s,])(?:private|no-store|no-cache)\b/i.test(cacheControl)) return "yes";
  return /(?:^|[\s,])(?:public\b|s-maxage=|max-age=(?!0\b))/i.test(cacheControl) ? "no" : "unsaid";
}
