// The steps of the registry's schema, embedded in the executable.
import type { Migration } from "../platform/database.ts";
import init from "./migrations/0000_init.sql" with { type: "text" };

export const migrations: readonly Migration[] = [{ name: "0000_init", sql: init }];
