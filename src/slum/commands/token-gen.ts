// `slum token-gen`: makes an admin's token with a made-up name, while slum runs or without it.
import { mkdirSync } from "node:fs";
import { type Context, command } from "../../cli/command.ts";
import { createToken, type MadeToken, type WantedToken } from "../../cli/token-command.ts";
import { dataDirOf, dataPaths } from "../registry/paths.ts";
import { connect } from "./connect.ts";
import { placeArgs } from "./place.ts";

export default command({
  name: "token-gen",
  summary: "Make an admin's token for the HTTP API, with a made-up name",
  description:
    "It is shown once; only a hash of it is kept. It counts at once, also while slum runs; where slums share a registry, within a second. slum token create has names, scopes and an end.",
  examples: [["slum token-gen", "for SLUM_TOKEN, together with SLUM_SERVER"]],
  args: {
    db: placeArgs.db,
  },
  async run(context) {
    const name = `admin-${crypto.randomUUID().slice(0, 8)}`;
    const { db } = context.args;
    const createHere = (one: Context, wanted: WantedToken) => createTokenHere(one, wanted, db);
    // Whoever names a registry means that one.
    const { token } =
      db === undefined
        ? await createToken(context, { connect, createHere }, { name, scope: "admin" })
        : await createHere(context, { name, scope: "admin" });
    context.out.data({ token, name }, () => `Admin token (shown once):\n\n  ${token}\n`);
    return 0;
  },
});

/** In the registry, where no slum runs. */
export async function createTokenHere(
  { globals, env }: Context,
  { expires_secs: seconds, name, scope, services, tenant }: WantedToken,
  db?: string,
): Promise<MadeToken> {
  const { createTokenAt } = await import("../api/auth.ts");
  const { made } = await import("../../api/token-operations.ts");
  const paths = dataPaths(dataDirOf(globals.dataDir, env));
  mkdirSync(paths.root, { recursive: true, mode: 0o700 });
  const wanted = { name, scope, services, tenant, expiresMs: seconds && seconds * 1000 };
  const { token, row } = await createTokenAt(db ?? env.SLUM_DB ?? paths.database, wanted);
  return made(token, row, []);
}
