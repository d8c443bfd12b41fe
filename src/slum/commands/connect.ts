// How a command reaches its slum: the URL it was given, or the unix socket in the data directory.
import { createClient } from "../../api/client.ts";
import { type Endpoint, parseServerUrl, unreachableAt } from "../../api/dial.ts";
import type { Context } from "../../cli/command.ts";
import { tokenFor } from "../../cli/credentials.ts";
import { contract, type SlumClient } from "../api/contract.ts";
import type { TenantView } from "../api/shapes.ts";
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

/** All tenants, or those of one home: page by page, as a hundred thousand at once would hold up the traffic of that slum. */
export async function listAllTenants(
  client: SlumClient,
  signal: AbortSignal | undefined,
  server?: string,
): Promise<TenantView[]> {
  const found = new Map<string, TenantView>();
  for (let offset = 0; ; offset += PAGE) {
    const query = { offset, limit: PAGE, ...(server !== undefined && { server }) };
    const { tenants, total } = await client.listTenants({ query }, { signal });
    for (const one of tenants) found.set(one.id, one);
    if (offset + tenants.length >= total || tenants.length === 0) return [...found.values()];
  }
}

const PAGE = 1_000;

function endpointOf(context: Context): Endpoint {
  const { server, dataDir } = context.globals;
  if (server === undefined) return { socket: dataPaths(dataDirOf(dataDir, context.env)).socket };
  const url = parseServerUrl(server);
  return { url, token: tokenFor(context, url) };
}
