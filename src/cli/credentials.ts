// The token for a server: from the command line, the environment, a file, or where `login` has put it.
import { mkdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { parse, stringify } from "smol-toml";
import { Fault, messageOf } from "../core/fault.ts";
import { quote } from "../core/quote.ts";
import type { Environment } from "../platform/environment.ts";
import { readIfThere, writeAtomic } from "../platform/storage/atomic-file.ts";
import type { Context } from "./command.ts";

/** `~/.config/ten/credentials.toml` */
function credentialsPath(program: string, env: Environment): string {
  const config = env.XDG_CONFIG_HOME ?? join(env.HOME ?? homedir(), ".config");
  return join(config, program, "credentials.toml");
}

/** The token for that server, if there is one anywhere; warns where it would go in clear over a network. */
export function tokenFor({ globals, program, env, out }: Context, url: URL): string | undefined {
  const { token, tokenFile } = globals;
  const found =
    token ?? (tokenFile === undefined ? readLogin(program.name, env, url) : readTokenFile(tokenFile));
  // Given, and not by the environment.
  if (token !== undefined && token !== env[program.globals.token?.variable ?? ""])
    out.warn("--token is seen by every user of this machine: better in the environment, or --token-file");
  if (found !== undefined && isInClear(url))
    out.warn(`the token goes to ${url.origin} in clear: whoever is on the way can read it; use https`);
  return found === undefined ? undefined : cleaned(found);
}

/** Throws a usage fault where a secret would go in clear over a network. */
export function refuseInClear(url: URL, what: string): void {
  if (!isInClear(url)) return;
  throw new Fault(
    "usage",
    `${url.origin} is plain http, and ${what} would go in clear over the network`,
    "use the https URL, or --insecure if the network is yours",
  );
}

function isInClear({ protocol, hostname }: URL): boolean {
  return protocol === "http:" && !/^(localhost|.*\.localhost|127\.[0-9.]+|\[::1\])$/.test(hostname);
}

/** The first line of a file, without what editors and shells leave around it. */
export function readTokenFile(path: string): string {
  try {
    const token = cleaned(readFileSync(path, "utf8"));
    if (token !== "") return token;
  } catch (thrown) {
    throw new Fault("usage", `the token file ${quote(path)} cannot be read: ${messageOf(thrown)}`);
  }
  throw new Fault("usage", `the token file ${quote(path)} is empty`);
}

/** Keeps a token for a server, for this user alone; one that was there before is replaced. */
export function writeLogin(program: string, env: Environment, url: URL, token: string): string {
  const path = credentialsPath(program, env);
  const servers = { ...readServers(path), [url.origin]: { token } };
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeAtomic(path, `# Written by: ${program} login\n${stringify({ servers })}\n`, 0o600);
  return path;
}

function readLogin(program: string, env: Environment, url: URL): string | undefined {
  return readServers(credentialsPath(program, env))[url.origin]?.token;
}

type Servers = Readonly<Record<string, { readonly token?: string } | undefined>>;

function readServers(path: string): Servers {
  const text = readIfThere(path);
  if (text === undefined) return {};
  const { mode } = statSync(path);
  if ((mode & 0o077) !== 0)
    throw new Fault("usage", `${path} may be read by others`, `close it to them: chmod 600 ${path}`);
  try {
    return (parse(text) as { readonly servers?: Servers }).servers ?? {};
  } catch (thrown) {
    throw new Fault("usage", `${path} is not right: ${messageOf(thrown)}`, "log in again, or correct it");
  }
}

function cleaned(token: string): string {
  return token.replace(/^\uFEFF/, "").trim();
}
