// How a command reaches its server: the URL it was given, or the unix socket in the data directory.
import { dirname, resolve } from "node:path";
import { createClient } from "../../api/client.ts";
import { type Endpoint, parseServerUrl, unreachableAt } from "../../api/dial.ts";
import type { Context } from "../../cli/command.ts";
import { refuseInClear, tokenFor } from "../../cli/credentials.ts";
import { Fault } from "../../core/fault.ts";
import { contract, type TenClient } from "../api/contract.ts";
import { findConfig, readDocument } from "../config/config.ts";
import { dataDirToAsk } from "../config/data-dir.ts";
import { dataPaths } from "../config/paths.ts";
import { recordedDataDir } from "../config/server-record.ts";

/** The client of the server that the flags, the environment or the nearest tenement.toml point to. Does not dial yet. */
export function connect(context: Context): TenClient {
  const { out, program } = context;
  const endpoint = endpointOf(context);
  return createClient(contract, {
    endpoint,
    product: `ten/${program.version}`,
    unreachable: unreachableAt(endpoint, "server", "start one where tenement.toml is: ten serve"),
    onOtherVersion: (product) => out.warn(`the server is ${product}, this is ten/${program.version}`),
  });
}

/** Throws a usage fault where a build would go in clear over a network. */
export function refuseToShipInClear({ globals }: Context): void {
  if (globals.server !== undefined) refuseInClear(parseServerUrl(globals.server), "the token and the build");
}

function endpointOf(context: Context): Endpoint {
  const { server } = context.globals;
  if (server !== undefined) {
    const url = parseServerUrl(server);
    return { url, token: tokenFor(context, url) };
  }
  return { socket: dataPaths(dataDirOf(context)).socket };
}

/**
 * The data directory by flag, else where the file's running server says that it is, else as the file says; only that key of it
 * is looked at. Absolute.
 */
export function dataDirOf({ globals, env }: Pick<Context, "globals" | "env">): string {
  if (globals.dataDir !== undefined) return resolve(globals.dataDir);
  const file = findConfigFor(process.cwd(), globals.config);
  const recorded = recordedDataDir(file, env);
  if (recorded !== undefined) return recorded;
  const found = dataDirIn(file);
  return typeof found === "string" ? resolve(dirname(file), found) : dataDirToAsk(file, env);
}

/** A server goes on with the file that it read, so a file that is broken since must not hide the way to it. */
function dataDirIn(file: string): unknown {
  try {
    return (readDocument(file) as { settings?: { data_dir?: unknown } }).settings?.data_dir;
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown;
    const hint = `${thrown.hint}; until then name the server's directory: --data-dir DIR`;
    throw new Fault(thrown.code, thrown.message, hint);
  }
}

function findConfigFor(cwd: string, config: string | undefined): string {
  try {
    return findConfig(cwd, config);
  } catch (thrown) {
    if (!(thrown instanceof Fault) || config !== undefined) throw thrown;
    throw new Fault(
      "unreachable",
      `no server to talk to: ${thrown.message}`,
      "go where tenement.toml is, name one with --config, --data-dir or --server, or begin with: ten init",
    );
  }
}
