// Links: who has one is kept on one target by a cookie, until the link is over or revoked.
import { createHash } from "node:crypto";
import type { RequestHead } from "../../core/http1/request-head.ts";
import type { Link, Route, Target } from "../../core/route.ts";

/** The parameter of a link's URL. */
export const LINK_PARAMETER = "ten-link";

/** Where the visitor goes on, without the parameter, and the cookie that it takes along; or the target that it sees. */
export type LinkUse =
  | { readonly kind: "enter"; readonly location: string; readonly cookie: string }
  | { readonly kind: "see"; readonly target: Target };

export function hashOfLink(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

/** Undefined: the request brings no link of this route that is in force. */
export function linkIn(head: RequestHead, route: Route, isSecure: boolean, now: number): LinkUse | undefined {
  if (route.links === undefined || route.links.length === 0) return undefined;
  const [entering, rest] = takeParameter(head.path);
  const token = entering ?? cookieOf(head, route.name);
  const link = token === undefined ? undefined : find(route.links, token, now);
  if (link === undefined || token === undefined) return undefined;
  if (entering !== undefined) {
    const seconds = Math.max(1, Math.floor((link.expiresAt - now) / 1000));
    const cookie = `${cookieName(route.name)}=${token}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${isSecure ? "; Secure" : ""}`;
    return { kind: "enter", location: rest, cookie };
  }
  const target = route.targets.find(({ label, readiness }) => label === link.label && readiness !== "out");
  return target && { kind: "see", target };
}

function find(links: readonly Link[], token: string, now: number): Link | undefined {
  const hash = hashOfLink(token);
  return links.find((link) => link.hash === hash && link.expiresAt > now);
}

/** The path as it goes on, and the value of the parameter when it had it. */
function takeParameter(path: string): readonly [token: string | undefined, rest: string] {
  const question = path.indexOf("?");
  if (question < 0 || !path.includes(LINK_PARAMETER, question)) return [undefined, path];
  let token: string | undefined;
  const kept = path
    .slice(question + 1)
    .split("&")
    .filter((pair) => {
      if (!pair.startsWith(`${LINK_PARAMETER}=`)) return true;
      token = pair.slice(LINK_PARAMETER.length + 1);
      return false;
    });
  // Two slashes at the start would lead to another host.
  const bare = `/${path.slice(0, question).replace(/^[/\\]+/, "")}`;
  return [token, kept.length === 0 ? bare : `${bare}?${kept.join("&")}`];
}

function cookieName(route: string): string {
  return `ten-link-${route}`;
}

function cookieOf(head: RequestHead, route: string): string | undefined {
  const name = `${cookieName(route)}=`;
  const cookies = head.field("cookie", "; ")?.split(";") ?? [];
  return cookies
    .map((cookie) => cookie.trim())
    .find((cookie) => cookie.startsWith(name))
    ?.slice(name.length);
}
