// Who reaches the admin side on the listener that visitors have too: nobody, this machine, or everybody with a token over https.
import { Fault } from "../core/fault.ts";
import { canonicalHost } from "../core/host.ts";
import { createTrust } from "../core/trusted-proxies.ts";

export const REACHES = ["socket", "loopback", "public"] as const;
export type AdminReach = (typeof REACHES)[number];

const isLoopback = createTrust(["127.0.0.0/8", "::1"]);
/** Fields that say that somebody has asked for somebody else. */
const FORWARDING = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"];
const HEALTH_PATH = "/health";
const WHO =
  'admin = "socket", "loopback" or "public" in [settings] says who reaches it, and --admin HOST:PORT opens it at an address of its own';

/** Throws `forbidden`, and names the setting. `/health` is everybody's. */
export function requireReach(
  reach: AdminReach,
  request: Request,
  {
    peer,
    trusted,
    isTls,
    ownNames,
  }: {
    readonly peer: string;
    readonly trusted: boolean;
    /** Whether it came over TLS that ended with us. */
    readonly isTls: boolean;
    readonly ownNames: ReadonlySet<string>;
  },
): void {
  if (new URL(request.url, "http://x").pathname === HEALTH_PATH) return;
  const { headers } = request;
  const isHere = isLoopback(peer) && !FORWARDING.some((field) => headers.has(field));
  if (reach !== "socket" && isHere) return;
  if (reach !== "public")
    throw refused(reach === "socket" ? "on its socket only" : "this machine only", reach);
  const said = trusted ? headers.get("x-forwarded-host")?.split(",")[0]?.trim() : undefined;
  if (!ownNames.has(canonicalHost(said ?? headers.get("host") ?? "") ?? ""))
    throw refused("under its own name only", reach);
  const saidProto = trusted ? headers.get("x-forwarded-proto")?.toLowerCase() : undefined;
  const isSecure = saidProto === undefined ? isTls : saidProto === "https";
  if (!isSecure)
    throw refused(
      "over https only",
      reach,
      "serve with --https, or a proxy in front has to send X-Forwarded-Proto: https, from an address in trusted_proxies",
    );
}

function refused(whom: string, reach: AdminReach, hint = WHO): Fault {
  return new Fault("forbidden", `the admin side answers ${whom} here: admin = "${reach}"`, hint);
}
