// How a command reaches its slum: the URL it was given, or the unix socket in the data directory.
import { createClient } from "../../api/client.ts";
import { type Endpoint, parseServerUrl, unreachableAt } from "../../api/dial.ts";
import type { Context } from "../../cli/command.ts";
import { contract, type SlumClient } from "../api/contract.ts";
import { dataDirOf, dataPaths } from "../registry/paths.ts";

/** The client of the slum that the flags or the environment point to. Does not dial yet. */
export function connect({ globals, out, program, env }: Context): SlumClient {
  const { server, token, dataDir } = globals;
  const endpoint: Endpoint =
    server === undefined
      ? { socket: dataPaths(dataDirOf(dataDir, env)).socket }
      : { url: parseServerUrl(server), token };
  return createClient(contract, {
    endpoint,
    product: `slum/${program.version}`,
    unreachable: unreachableAt(
      endpoint,
      "slum",
      "start one: slum serve; or name another with --data-dir or --server",
    ),
    onOtherVersion: (product) => out.warn(`the server is ${product}, this is slum/${program.version}`),
  });
}
