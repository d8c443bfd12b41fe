// The cookie that keeps a visitor on the version that it saw, as text.
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

/**
 * The value of Set-Cookie. It lasts as long as the browser's session; scripts do not see it, and it goes with links from
 * elsewhere but not with their forms or frames (Lax). `isSecure`: the visitor came by https, so it never goes without.
 */
export function writeMark(name: string, mark: Mark, isSecure: boolean): string {
  return `${name}=${formatMark(mark)}; Path=/; HttpOnly; SameSite=Lax${isSecure ? "; Secure" : ""}`;
}
