// The steps of the registry's schema in PostgreSQL, embedded in the executable; each may be run again without harm.
import type { Migration } from "../../../platform/storage/database.ts";
import init from "./migrations/0000_init.sql" with { type: "text" };
import hosts from "./migrations/0001_hosts.sql" with { type: "text" };
import access from "./migrations/0002_access.sql" with { type: "text" };
import certificates from "./migrations/0003_certificates.sql" with { type: "text" };
import webhooks from "./migrations/0004_webhooks.sql" with { type: "text" };

export const postgresMigrations: readonly Migration[] = [
  { name: "0000_init", sql: init },
  { name: "0001_hosts", sql: hosts },
  { name: "0002_access", sql: access },
  { name: "0003_certificates", sql: certificates },
  { name: "0004_webhooks", sql: webhooks },
];
