// Arguments that several of slum's commands take, each written once.
import { choice, option, type Read, word } from "../../cli/argument.ts";
import { parseLabel } from "../../core/name.ts";
import { parseServerUrl } from "../fleet/server-url.ts";

export const readLabel: Read<string> = (text, label) => parseLabel(text, label.replace(/^--/, ""));

export const server = word("The id of the server", { hint: "SERVER", read: readLabel, names: "server" });
export const tenant = word("The id of the tenant", { hint: "TENANT", read: readLabel, names: "tenant" });

export const readUrl: Read<string> = (text) => parseServerUrl(text).origin;

/** What may be said of a server, when it is added and later. */
export const aboutServer = {
  region: option("Where it is", { hint: "R", read: readLabel }),
  healthPath: option("What is asked to see whether it lives; /health unless given", { hint: "PATH" }),
  addressing: choice(
    "How the tenement is told what to serve: a header field, or hosts such as prod.api.HOST",
    ["header", "host"],
  ),
  host: choice(
    "The Host that it is sent: the visitor's (keep), its own (server), or the visitor's once it is seen to take any (auto)",
    ["auto", "keep", "server"],
  ),
};

interface AboutServer {
  readonly region: string | undefined;
  readonly healthPath: string | undefined;
  readonly addressing: "header" | "host" | undefined;
  readonly host: "auto" | "keep" | "server" | undefined;
}

/** The same as the API has it, without what is not given. */
export function bodyOf({ region, healthPath, addressing, host }: AboutServer) {
  return {
    ...(region !== undefined && { region }),
    ...(healthPath !== undefined && { health_path: healthPath }),
    ...(addressing && { addressing }),
    ...(host && { host }),
  };
}
