// The steps of the registry's schema in SQLite, embedded in the executable.
import type { Migration } from "../../../platform/storage/database.ts";
import init from "./migrations/0000_init.sql" with { type: "text" };
import claims from "./migrations/0001_claims.sql" with { type: "text" };
import hosts from "./migrations/0002_hosts.sql" with { type: "text" };
import access from "./migrations/0003_access.sql" with { type: "text" };
import webhooks from "./migrations/0004_webhooks.sql" with { type: "text" };

export const migrations: readonly Migration[] = [
  { name: "0000_init", sql: init },
  { name: "0001_claims", sql: claims },
  { name: "0002_hosts", sql: hosts },
  { name: "0003_access", sql: access },
  { name: "0004_webhooks", sql: webhooks },
];
