// `ten token-gen`: makes a token with a made-up name, while the server runs or without it.
import { option } from "../../cli/argument.ts";
import { type Context, command } from "../../cli/command.ts";
import { createToken, type MadeToken, type WantedToken } from "../../cli/token-command.ts";
import { loadConfig } from "../config/config.ts";
import { servingService } from "../config/data-dir.ts";
import { dataPaths } from "../config/paths.ts";
import { readLabel } from "./arguments.ts";
import { connect, dataDirOf } from "./connect.ts";

export default command({
  name: "token-gen",
  summary: "Make a token for the HTTP API, with a made-up name",
  description:
    "It is shown once; only a hash of it is kept. An admin's is also kept in the file api_token in the data directory, where no service may serve it. A tenant's token sees and touches only instances whose id is the tenant's. ten token create has names, scopes and an end.",
  examples: [
    ["ten token-gen", "an admin's token"],
    ["ten token-gen --tenant acme", "for instances with the id acme"],
  ],
  args: { tenant: option("The tenant that the token is for", { hint: "ID", read: readLabel }) },
  async run(context) {
    const { args, out, globals } = context;
    const { tenant } = args;
    const kind = tenant === undefined ? "admin" : "tenant";
    const name = `${kind}-${crypto.randomUUID().slice(0, 8)}`;
    const wanted: WantedToken = { name, scope: kind, ...(tenant !== undefined && { tenant }) };
    const { token } = await createToken(context, { connect, createHere: createTokenHere }, wanted);
    const heading = tenant === undefined ? "Admin token" : `Token of tenant ${tenant}`;
    out.data({ token, tenant: tenant ?? null, name }, () => `${heading} (shown once):\n\n  ${token}\n`);
    if (tenant === undefined && globals.server === undefined) await keepInFile(context, token);
    return 0;
  },
});

/** Where scripts read it; not where an app may serve the file. */
async function keepInFile(context: Context, token: string): Promise<void> {
  const { writeSecret } = await import("../../platform/storage/atomic-file.ts");
  const { out } = context;
  const { adminToken, root } = dataPaths(dataDirOf(context));
  const exposedBy = servingServiceIn(context, root);
  if (exposedBy !== undefined)
    return out.warn(
      `it is not kept in ${adminToken}: the workdir of ${exposedBy} contains the data directory`,
    );
  writeSecret(adminToken, token);
}

/** A configuration that is not there, or not right, has no service that serves anything. */
function servingServiceIn({ globals, env }: Context, dataDir: string): string | undefined {
  try {
    const { services, directory } = loadConfig(process.cwd(), globals.config, { env });
    return servingService(services.values(), directory, dataDir);
  } catch {
    return undefined;
  }
}

/** In the data directory, where no server runs. */
export async function createTokenHere(context: Context, wanted: WantedToken): Promise<MadeToken> {
  const { createTokenIn } = await import("../api/auth.ts");
  const { made } = await import("../../api/token-operations.ts");
  const dataDir = dataDirOf(context);
  const { expires_secs: seconds, name, scope, services, tenant } = wanted;
  const { token, row } = await createTokenIn(dataDir, {
    name,
    scope,
    services,
    tenant,
    expiresMs: seconds && seconds * 1000,
  });
  return made(token, row, []);
}
