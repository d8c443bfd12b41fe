// How a command reaches its slum: the URL it was given, or the unix socket in the data directory.
import { createClient } from "../../api/client.ts";
import { type Endpoint, parseServerUrl, unreachableAt } from "../../api/dial.ts";
import type { Context } from "../../cli/command.ts";
import { tokenFor } from "../../cli/credentials.ts";
import { contract, type SlumClient } from "../api/contract.ts";
import { dataDirOf, dataPaths } from "../registry/paths.ts";

/** The client of the slum that the flags or the environment point to. Does not dial yet. */
export function connect(context: Context): SlumClient {
  const { out, program } = context;
  const endpoint = endpointOf(context);
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

function endpointOf(context: Context): Endpoint {
  const { server, dataDir } = context.globals;
  if (server === undefined) return { socket: dataPaths(dataDirOf(dataDir, context.env)).socket };
  const url = parseServerUrl(server);
  return { url, token: tokenFor(context, url) };
}
