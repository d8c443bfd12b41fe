// The registry's tables: what should run, with which weight, and what became of it.
import { index, integer, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import { SCOPES } from "../../api/principal.ts";
import type { Evidence } from "../../core/judge/evidence.ts";
import type { Rollout } from "../../core/judge/rollout-state.ts";
import type { ShadowCounts } from "../../core/shadow/shadow-counts.ts";
import type { Release } from "../config/release.ts";

export { alerts, deliveries, webhooks } from "../../webhooks/registry/tables.ts";

/** What names one run of an instance for ever, and its port; without a pid while it is being started. */
export interface RunIdentity {
  readonly nonce: string;
  readonly pid: number | null;
  readonly startTime: string | null;
  readonly bootId: string;
  readonly port: number | null;
}

/** `seq` orders creation. Weights are hundredths, times milliseconds since the epoch. */
export const instances = sqliteTable(
  "instances",
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    service: text().notNull(),
    id: text().notNull(),
    version: text().notNull(),
    weight: integer().notNull(),
    /** What the operator wants. */
    desired: text({ enum: ["running", "stopped"] }).notNull(),
    state: text({
      enum: ["starting", "healthy", "unhealthy", "draining", "sleeping", "stopped", "failed"],
    }).notNull(),
    reason: text().notNull(),
    stateAt: integer().notNull(),
    createdAt: integer().notNull(),
    /** A deploy that has not been decided: if the server dies now, the deploy has failed. */
    deploying: integer({ mode: "boolean" }).notNull(),
    restarts: integer().notNull(),
    lastExit: text(),
    /** The identity of its process, null when it has none. */
    nonce: text(),
    pid: integer(),
    startTime: text(),
    bootId: text(),
    port: integer(),
    /** Its other run while it is restarted: the successor that is to take over, or the one before it that drains. */
    other: text({ mode: "json" }).$type<RunIdentity>(),
    /** What its processes are started with; null in registries of older versions, until it is started again or adopted. */
    release: text({ mode: "json" }).$type<Release>(),
    /** Orders deploys and spawns: the higher, the later. */
    deployed: integer().notNull().default(0),
    /** The last change of weights before that: see `changes`. */
    deployedAfter: integer().notNull().default(0),
    /** What made it; null in registries of older versions. */
    origin: text({ enum: ["deploy", "spawn", "demand"] }),
  },
  (table) => [
    uniqueIndex("instances_name").on(table.service, table.id),
    uniqueIndex("instances_port").on(table.port),
  ],
);

/** One row a service that ever had an instance; `epoch` counts the commands that set its weights. */
export const services = sqliteTable("services", {
  name: text().primaryKey(),
  epoch: integer().notNull(),
});

/** The history of weights, newest last: what `rollback` reads. */
export const changes = sqliteTable("changes", {
  seq: integer().primaryKey({ autoIncrement: true }),
  service: text().notNull(),
  at: integer().notNull(),
  command: text().notNull(),
  before: text({ mode: "json" }).$type<Record<string, number>>().notNull(),
  after: text({ mode: "json" }).$type<Record<string, number>>().notNull(),
  actor: text(),
});

/** Versions that are judged beside the one before, and what became of those that were. Of a service at most one is not ended. */
export const rollouts = sqliteTable(
  "rollouts",
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    service: text().notNull(),
    canary: text().notNull(),
    stable: text().notNull(),
    startedAt: integer().notNull(),
    /** Null while it is under way. */
    endedAt: integer(),
    outcome: text({ enum: ["promoted", "rolled_back", "taken_over", "replaced"] }),
    /** The last that it said. */
    text: text().notNull(),
    state: text({ mode: "json" }).$type<Rollout>().notNull(),
    /** The weights that it goes back to, by id. */
    before: text({ mode: "json" }).$type<Record<string, number>>().notNull(),
    /** The canary's instances, each with the restarts that it had. */
    instances: text({ mode: "json" }).$type<Record<string, number>>().notNull(),
    /** Whether the old version is stopped at the end. */
    stopOld: integer({ mode: "boolean" }).notNull(),
  },
  (table) => [index("rollouts_service").on(table.service, table.seq)],
);

/** The builds that were shipped and may be started: whole in their directory, and set up. */
export const shipped = sqliteTable(
  "shipped",
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    service: text().notNull(),
    version: text().notNull(),
    /** Of what it holds, however it was packed. */
    digest: text().notNull(),
    /** Unpacked. */
    bytes: integer().notNull(),
    entries: integer().notNull(),
    at: integer().notNull(),
    actor: text(),
  },
  (table) => [uniqueIndex("shipped_name").on(table.service, table.version)],
);

/** Links to single instances, past the weights; only the SHA-256 of what a link carries is kept. */
export const links = sqliteTable(
  "links",
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    service: text().notNull(),
    label: text().notNull(),
    hash: text().notNull(),
    createdAt: integer().notNull(),
    expiresAt: integer().notNull(),
  },
  (table) => [uniqueIndex("links_hash").on(table.hash)],
);

export const events = sqliteTable(
  "events",
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    at: integer().notNull(),
    service: text().notNull(),
    instance: text(),
    kind: text().notNull(),
    detail: text().notNull(),
    /** On whose behalf, from where, and by which operation; null when the server did it by itself. */
    actor: text(),
    origin: text(),
    operation: text(),
    /** Of weights: those of the service's instances, by id. */
    before: text({ mode: "json" }).$type<Readonly<Record<string, number>>>(),
    after: text({ mode: "json" }).$type<Readonly<Record<string, number>>>(),
  },
  (table) => [index("events_at").on(table.at)],
);

/** Only the SHA-256 of a token is kept. Those that are older than names have none. */
export const tokens = sqliteTable("tokens", {
  hash: text().primaryKey(),
  tenant: text(),
  createdAt: integer().notNull(),
  name: text().notNull().default(""),
  scope: text({ enum: SCOPES }).notNull().default("admin"),
  services: text({ mode: "json" }).$type<readonly string[]>(),
  createdBy: text(),
  expiresAt: integer(),
  revokedAt: integer(),
  usedAt: integer(),
  usedFrom: text(),
});

/** Copies of a service's requests, as `meta` has it: those that go on, or the last that were made. */
export interface ShadowRow {
  readonly service: string;
  /** Differs for each: what is counted of one is none of another's. */
  readonly run: string;
  /** The version that is looked at, and those that took the traffic when it began. */
  readonly to: string;
  readonly from: string;
  /** 0 to 1. */
  readonly sample: number;
  readonly startedAt: number;
  /** Null: they go on, unless they belong to a rollout that has passed that. */
  readonly endedAt: number | null;
  /** The rollout that they are the first of. */
  readonly rollout: number | null;
  readonly counts: ShadowCounts;
  readonly evidence: Evidence;
}

export const meta = sqliteTable("meta", {
  key: text().primaryKey(),
  value: text().notNull(),
});
