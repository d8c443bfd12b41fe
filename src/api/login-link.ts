// A login link of the dashboard: how its code is given out, and how the link is put together.
import { z } from "zod";
import { Fault } from "../core/fault.ts";
import type { Peer } from "./access.ts";
import type { Operation } from "./operation.ts";
import type { Principal } from "./principal.ts";
import { CODE_MS } from "./session.ts";

const answer = z.object({ code: z.string(), url: z.string(), expires_secs: z.number() });
export type LoginCode = z.infer<typeof answer>;

/** The operation, the same in every contract. */
export const loginCode = {
  summary: "A code that logs one browser in to the dashboard, once and soon; over the unix socket only",
  method: "POST",
  path: "/api/login-code",
  scope: "admin",
  answer,
} as const satisfies Operation;

export type GiveLoginCode = (peer: Peer, owner: Principal) => LoginCode;

/** Codes for who may open the server's socket; `url` is where the server thinks that its page is. */
export function loginCodes(newCode: (owner: Principal) => string, url: () => string): GiveLoginCode {
  return (peer, owner) => {
    if (peer.door === "socket") return { code: newCode(owner), url: url(), expires_secs: CODE_MS / 1000 };
    throw new Fault(
      "forbidden",
      "login links are made on the server's machine only",
      "log in at the dashboard with a token",
    );
  };
}

/** The code stands behind the #, which no browser sends and no log gets. `at` is where the browser reaches the server. */
export function loginLink({ code, url }: LoginCode, at: URL | undefined): string {
  return new URL(`#code=${code}`, at ?? url).href;
}
