// Who may do what with one ten: its tokens, what a request is about, and which processes may not use the socket.
import { chmodSync, rmSync } from "node:fs";
import type { Operation, Received } from "../../api/operation.ts";
import { type Principal, requireService } from "../../api/principal.ts";
import { hashToken } from "../../api/token.ts";
import { adoptOldToken, createTokens, type NewToken, type TokenRow } from "../../api/tokens.ts";
import { Fault } from "../../core/fault.ts";
import { instanceName } from "../../core/name.ts";
import type { Log } from "../../platform/log.ts";
import type { PeerCredentials } from "../../platform/net/peer-credentials.ts";
import { userEntry } from "../../platform/process/account.ts";
import { readProcess, readVariable } from "../../platform/process/proc.ts";
import { readSecret } from "../../platform/storage/atomic-file.ts";
import { makePrivateDirectory } from "../../platform/storage/data-directory.ts";
import { openDatabase } from "../../platform/storage/database.ts";
import { type Clock, systemClock } from "../../platform/time/clock.ts";
import type { Config } from "../config/config.ts";
import { servingService } from "../config/data-dir.ts";
import { type DataPaths, dataPaths } from "../config/paths.ts";
import { migrations } from "../registry/migrations.ts";
import { createRegistry, type Registry } from "../registry/registry.ts";

/** A token in a data directory that no server runs on. It is returned once and only its hash is kept. */
export async function createTokenIn(
  dataDir: string,
  wanted: NewToken,
): Promise<{ readonly token: string; readonly row: TokenRow }> {
  const paths = dataPaths(dataDir);
  makePrivateDirectory(dataDir);
  using database = openDatabase(paths.database, migrations);
  const registry = createRegistry(database, systemClock, () => {});
  using tokens = createTokens("ten", registry.tokens, systemClock);
  return await tokens.create(wanted, null);
}

/** The names that a request mentions: of services as such, and of instances. */
export function servicesOf({ params, query, body }: Received<Operation>): string[] {
  const parts = [params, query, body].filter((part) => typeof part === "object" && part !== null);
  return parts.flatMap((part) => {
    const { service, instance, instances } = part as {
      readonly service?: unknown;
      readonly instance?: { readonly service?: unknown };
      readonly instances?: unknown;
    };
    const named = Array.isArray(instances) ? instances : [];
    return [service, instance?.service, ...named.map((one) => one?.service)].filter(
      (name) => typeof name === "string",
    );
  });
}

/** Refuses what is about a service that a token was not made for, before anything is done. To a tenant it does not exist. */
export function guard(principal: Principal, received: Received<Operation>): void {
  if (principal.scope === "tenant") return;
  for (const service of servicesOf(received)) requireService(principal, service);
}

/** Refuses the processes of instances: by the user that they run as, their session, or the mark that they were started with. */
export function refuseInstance(
  registry: Registry,
  { services }: Config,
  { pid, uid }: PeerCredentials,
): Fault | undefined {
  const isOwnUser = uid === 0 || uid === process.getuid?.();
  const user = [...services.values()].find(({ limits }) => isUser(limits.user, uid));
  if (user && !isOwnUser) return refused(user.name);
  const session = readProcess(pid)?.session;
  const row = registry.list().find((one) => one.pid !== null && one.pid === session);
  if (row) return refused(instanceName(row.service, row.id));
  const isMarked = readVariable(pid, "TEN_NONCE")?.startsWith(`${registry.id}.`);
  return isMarked ? refused("an instance") : undefined;
}

function isUser(user: string | undefined, uid: number): boolean {
  return user !== undefined && userEntry(user)?.uid === uid;
}

function refused(who: string): Fault {
  return new Fault(
    "forbidden",
    `the socket is not for instances, and this is a process of ${who}`,
    "give it a token, and the API over HTTP: ten token create NAME --scope read",
  );
}

/**
 * A token that an earlier version kept in a file goes on to count under a name of its own; not where an app may serve that
 * file: then it has been read by whoever wanted to.
 */
export async function adoptTokenFile(
  registry: Pick<Registry, "tokens" | "kept">,
  { adminToken, root }: DataPaths,
  config: Config,
  parts: { readonly clock: Clock; readonly log: Log },
): Promise<void> {
  const { clock, log } = parts;
  const { tokens: table } = registry;
  const token = readSecret(adminToken);
  if (token === undefined) return;
  chmodSync(adminToken, 0o600);
  const exposedBy = servingService(config.services.values(), config.directory, root);
  if (exposedBy !== undefined) {
    const hash = hashToken(token);
    const row = table.rows().get(hash);
    if (row && row.revokedAt === null)
      await table.write((writer) => {
        writer.change(hash, { revokedAt: clock.now() });
        writer.event("token.revoked", `${row.name}: ${exposedBy} may serve its file`);
      });
    // Without its file no later start would revoke it.
    await registry.kept();
    rmSync(adminToken, { force: true });
    log.warn(
      `the token in ${adminToken} was revoked: the workdir of ${exposedBy} contains it, so that the app may have served it; make another: ten token create admin --scope admin`,
    );
    return;
  }
  await adoptOldToken(table, { token, file: adminToken }, { program: "ten", whose: "this server" }, parts);
}

/** What the person who makes a token ought to know. */
export function warningsOf({ services }: Config, row: TokenRow): string[] {
  const unknown = (row.services ?? []).filter((name) => !services.has(name));
  const reached = [...services.values()].filter(
    ({ name, limits }) => (row.services?.includes(name) ?? true) && limits.user === undefined,
  );
  const isAsGoodAsAdmin = row.scope === "deploy" && reached.length > 0;
  return [
    ...unknown.map((name) => `there is no service ${name} now`),
    ...(isAsGoodAsAdmin
      ? [
          `as good as admin here: ${reached.map(({ name }) => name).join(", ")} ${reached.length > 1 ? "run" : "runs"} as ten's own user, and so does what this token deploys; give the service a user`,
        ]
      : []),
  ];
}
