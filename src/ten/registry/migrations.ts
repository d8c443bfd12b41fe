// The registry's migrations in their order, embedded in the binary as text.
import type { Migration } from "../../platform/storage/database.ts";
import init from "./migrations/0000_init.sql" with { type: "text" };
import releases from "./migrations/0001_releases.sql" with { type: "text" };
import access from "./migrations/0002_access.sql" with { type: "text" };
import rollouts from "./migrations/0003_rollouts.sql" with { type: "text" };
import shipped from "./migrations/0004_shipped.sql" with { type: "text" };
import origins from "./migrations/0005_origins.sql" with { type: "text" };
import selectors from "./migrations/0006_selectors.sql" with { type: "text" };
import webhooks from "./migrations/0007_webhooks.sql" with { type: "text" };

export const migrations: readonly Migration[] = [
  { name: "0000_init", sql: init },
  { name: "0001_releases", sql: releases },
  { name: "0002_access", sql: access },
  { name: "0003_rollouts", sql: rollouts },
  { name: "0004_shipped", sql: shipped },
  { name: "0005_origins", sql: origins },
  { name: "0006_selectors", sql: selectors },
  { name: "0007_webhooks", sql: webhooks },
];
