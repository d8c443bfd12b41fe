// The contract of ten's admin API: one table that feeds the server, the client and the documentation.
import { z } from "zod";
import { certificateOperations } from "../../api/certificate-operations.ts";
import type { Client } from "../../api/client.ts";
import { count, flag, queryFlag } from "../../api/fields.ts";
import { loginCode } from "../../api/login-link.ts";
import { defineContract, type OldNames } from "../../api/operation.ts";
import { tokenOperations } from "../../api/token-operations.ts";
import { webhookOperations } from "../../webhooks/operations.ts";
import { ALERT_TYPES } from "../registry/alert-kinds.ts";
import { accessOperations } from "./access-operations.ts";
import { rolloutOperations } from "./rollout-operations.ts";
import {
  changeAnswer,
  checkAnswer,
  deployAnswer,
  digest,
  event,
  eventQuery,
  historyEntry,
  instanceAnswer,
  instances,
  label,
  lastChange,
  logLine,
  logQuery,
  maintenanceAnswer,
  params,
  releasesAnswer,
  reloadAnswer,
  rolloutAnswer,
  service,
  serviceRate,
  serviceSplit,
  shippedAnswer,
  TRAFFIC_RANGES,
  trafficAnswer,
  weight,
  whyAnswer,
  wishes,
} from "./shapes.ts";

/** Longer than any start, drain or queue: the server decides when waiting ends. */
const patient = 24 * 3600_000;

export const contract = defineContract({
  health: {
    summary: "Whether the server is up, and how it sees the caller",
    method: "GET",
    path: "/health",
    scope: "open",
    /** To peers in trusted_proxies or selector_from also how they are seen, and what they may. */
    answer: z.object({
      status: z.literal("ok"),
      peer: z.string().nullable().optional(),
      trusted: z.boolean().optional(),
      selector: z.boolean().optional(),
    }),
  },
  listInstances: {
    summary: "All instances, running or not, with their share of the traffic",
    method: "GET",
    path: "/api/instances",
    scope: "read",
    tenants: true,
    query: z.strictObject({ service: service.optional() }),
    answer: z.object({
      instances: z.array(instanceAnswer),
      maintenance: z.array(z.object({ service: z.string(), since: z.string() })),
      /** The last change of each service's traffic. */
      changes: z.array(lastChange),
      /** Links that keep browsers on an instance: how many, and when the last is over. */
      links: z.array(z.object({ id: z.string(), count: z.number(), until: z.string() })),
      /** What each rollout under way says. */
      rollouts: z.array(z.object({ service: z.string(), canary: z.string(), text: z.string() })),
      /** What copies of requests say that are made now. */
      shadows: z.array(z.object({ service: z.string(), to: z.string(), text: z.string() })),
      /** What is wrong with certificates, a sentence each. */
      certificates: z.array(z.string()),
      /** Services as a whole, with what the proxy answered in the place of their instances. */
      services: z.array(serviceRate),
    }),
  },
  spawn: {
    summary: "Start an instance; traffic comes when it is healthy",
    method: "POST",
    path: "/api/instances/spawn",
    scope: "deploy",
    tenants: true,
    body: z.strictObject({
      service,
      id: label,
      version: label.optional(),
      weight: weight.optional(),
    }),
    answer: changeAnswer,
  },
  stop: {
    summary: "Take an instance out of traffic, drain it and end it; row, directory and logs stay",
    method: "DELETE",
    path: "/api/instances/:instance",
    scope: "deploy",
    tenants: true,
    params,
    query: z.strictObject({ force: queryFlag }),
    answer: changeAnswer,
    timeoutMs: patient,
  },
  stopAll: {
    summary: "The same for several, those of one service side by side; none when one of them does not exist",
    method: "POST",
    path: "/api/stop",
    scope: "deploy",
    tenants: true,
    body: z.strictObject({ instances, force: flag }),
    answer: z.object({ changes: z.array(changeAnswer) }),
    timeoutMs: patient,
  },
  removeAll: {
    summary:
      "Remove stopped instances with their directories and logs; none when one of them runs, or has something in its directory and `with_files` is not said",
    method: "POST",
    path: "/api/rm",
    scope: "admin",
    tenants: true,
    body: z.strictObject({ instances, with_files: flag }),
    answer: z.object({ removed: z.array(z.string()) }),
  },
  restart: {
    summary:
      "Start a successor that takes over when it is healthy; answers when the process before it has ended",
    method: "POST",
    path: "/api/instances/:instance/restart",
    scope: "deploy",
    tenants: true,
    params,
    /** `stop_first`: for what cannot run twice; requests wait meanwhile. */
    query: z.strictObject({ stop_first: queryFlag }),
    answer: instanceAnswer,
    timeoutMs: patient,
  },
  setShare: {
    summary: "Give an instance exactly this percentage of its service's traffic",
    method: "PUT",
    path: "/api/instances/:instance/weight",
    scope: "deploy",
    params,
    body: z.strictObject({ weight, force: flag }),
    answer: changeAnswer,
    timeoutMs: patient,
  },
  link: {
    summary: "A link that keeps a browser on one instance, past the weights; it is shown once",
    method: "POST",
    path: "/api/instances/:instance/link",
    scope: "deploy",
    params,
    body: z.strictObject({ for_secs: z.number().min(1).max(2_592_000).default(3_600) }),
    answer: z.object({ id: z.string(), url: z.string(), until: z.string() }),
  },
  revokeLinks: {
    summary: "Revoke all links to an instance, at once",
    method: "DELETE",
    path: "/api/instances/:instance/links",
    scope: "deploy",
    params,
    answer: z.object({ id: z.string(), revoked: z.number() }),
  },
  check: {
    summary: "Check an instance's health now",
    method: "GET",
    path: "/api/instances/:instance/health",
    scope: "read",
    tenants: true,
    params,
    answer: checkAnswer,
  },
  why: {
    summary: "What is wrong with an instance: the most probable cause, and all that it goes by",
    method: "GET",
    path: "/api/instances/:instance/why",
    scope: "read",
    tenants: true,
    params,
    answer: whyAnswer,
  },
  prune: {
    summary:
      "Remove stopped instances of a service beyond the newest ones, then builds that are not used any more",
    method: "POST",
    path: "/api/prune",
    scope: "deploy",
    body: z.strictObject({
      service,
      keep: z.number().int().min(0).max(10_000).default(5),
      with_files: flag,
    }),
    /** `filled`: those that are still there, as their directories have something in them. */
    answer: z.object({
      service: z.string(),
      removed: z.array(z.string()),
      filled: z.array(z.string()),
      /** The versions of shipped builds that no instance is of any more. */
      releases: z.array(z.string()),
    }),
  },
  setWeights: {
    summary: "Set raw weights of several instances in one atomic step",
    method: "PUT",
    path: "/api/weights",
    scope: "deploy",
    body: z.strictObject({ service, weights: z.record(z.string(), weight), force: flag }),
    answer: changeAnswer,
    timeoutMs: patient,
  },
  split: {
    summary: "How a service's traffic is divided now",
    method: "GET",
    path: "/api/services/:service/split",
    scope: "read",
    params: z.strictObject({ service }),
    answer: z.object(serviceSplit),
  },
  traffic: {
    summary: "A service's traffic over time, version by version, with what was done to it meanwhile",
    method: "GET",
    path: "/api/services/:service/traffic",
    scope: "read",
    params: z.strictObject({ service }),
    query: z.strictObject({ range: z.enum(TRAFFIC_RANGES).default("1h") }),
    answer: trafficAnswer,
  },
  chown: {
    summary: "Give a service's files to the user that it is configured to run as",
    method: "POST",
    path: "/api/services/:service/chown",
    scope: "admin",
    params: z.strictObject({ service }),
    answer: z.object({ service: z.string(), owner: z.string(), files: z.number() }),
  },
  maintenance: {
    summary:
      "Begin or end a service's maintenance: visitors get 503, its health path and direct hosts still answer",
    method: "PUT",
    path: "/api/services/:service/maintenance",
    scope: "deploy",
    params: z.strictObject({ service }),
    body: z.strictObject({ on: z.boolean() }),
    answer: maintenanceAnswer,
  },
  deploy: {
    summary: "Start a version, wait until it is healthy, give it traffic in one step",
    method: "POST",
    path: "/api/deploy",
    scope: "deploy",
    transport: "progress",
    body: z.strictObject({
      service,
      version: label,
      id: label.optional(),
      instances: z.number().int().min(1).max(1_000).optional(),
      weight: weight.optional(),
      timeout: z.number().positive().max(86_400).optional(),
      /** Seconds to wait for other deploys of the service. */
      wait: z.number().min(0).max(86_400).default(3_600),
      promote: flag,
      stop_old: flag,
      replace: flag,
      /** Refused (conflict) unless exactly this version takes traffic. */
      if_current: label.optional(),
      /** It is judged beside what takes traffic now, step by step. */
      canary: wishes.optional(),
    }),
    answer: deployAnswer,
    timeoutMs: patient,
  },
  ship: {
    summary: "Take a build, unpack it and set it up: nothing of it is left unless all of that is well",
    method: "POST",
    path: "/api/services/:service/releases/:version",
    scope: "deploy",
    transport: "progress",
    params: z.strictObject({ service, version: label }),
    /** What it holds, as `releases` has it: refused when it is not that, and not read when it is there already. */
    query: z.strictObject({ digest: digest.optional(), bytes: z.coerce.number().int().min(0).optional() }),
    upload: true,
    answer: shippedAnswer,
    timeoutMs: patient,
  },
  releases: {
    summary: "The builds of a service that were shipped, newest first, and what one may have at most",
    method: "GET",
    path: "/api/services/:service/releases",
    scope: "read",
    params: z.strictObject({ service }),
    answer: releasesAnswer,
  },
  ...rolloutOperations,
  route: {
    summary: "Send a service's traffic, or one instance's part of it, to another instance",
    method: "POST",
    path: "/api/route",
    scope: "deploy",
    body: z.strictObject({
      service,
      from: label.optional(),
      to: label,
      force: flag,
      /** Seconds to wait for a `to` that starts or sleeps; 0 does not wait. */
      wait: z.number().min(0).max(86_400).default(0),
    }),
    answer: changeAnswer,
    timeoutMs: patient,
  },
  rollback: {
    summary: "Take all traffic from the newest version and restore what the others had before it got any",
    method: "POST",
    path: "/api/rollback",
    scope: "deploy",
    /** `to`: to that version instead, also one of which only its build is kept. `dry_run`: nothing is done, and the answer has the split as it would be. */
    body: z.strictObject({ service, last: flag, to: label.optional(), dry_run: flag }),
    answer: changeAnswer,
    timeoutMs: patient,
  },
  logs: {
    summary: "The last lines that instances wrote",
    method: "GET",
    path: "/api/logs",
    scope: "read",
    tenants: true,
    query: logQuery,
    answer: z.object({ lines: z.array(logLine) }),
  },
  followLogs: {
    summary: "The last lines that instances wrote, and every further one as it comes",
    method: "GET",
    path: "/api/logs/stream",
    scope: "read",
    tenants: true,
    transport: "events",
    query: logQuery,
    answer: logLine,
  },
  history: {
    summary:
      "How a service's traffic was divided before: each change and who made it, each deploy that failed, and each rollout and what became of it, newest first",
    method: "GET",
    path: "/api/services/:service/history",
    scope: "read",
    params: z.strictObject({ service }),
    query: z.strictObject({ limit: count(20, 1_000) }),
    answer: z.object({
      service: z.string(),
      changes: z.array(historyEntry),
      failed_deploys: z.array(
        z.object({ at: z.string(), by: z.string().nullable(), version: z.string(), text: z.string() }),
      ),
      rollouts: z.array(rolloutAnswer),
    }),
  },
  events: {
    summary: "What happened: commands and who gave them, starts, exits, changes of state and of traffic",
    method: "GET",
    path: "/api/events",
    scope: "read",
    query: eventQuery,
    answer: z.object({ events: z.array(event) }),
  },
  followEvents: {
    summary: "What happened last, and every further event as it comes",
    method: "GET",
    path: "/api/events/stream",
    scope: "read",
    transport: "events",
    query: eventQuery,
    answer: event,
  },
  config: {
    summary: "The effective configuration of the running server, with its domain and URL",
    method: "GET",
    path: "/api/config",
    scope: "read",
    answer: z.record(z.string(), z.unknown()),
  },
  reload: {
    summary: "Read the configuration again",
    method: "POST",
    path: "/api/reload",
    scope: "admin",
    transport: "progress",
    body: z.strictObject({ restart_changed: flag }),
    answer: reloadAnswer,
    timeoutMs: patient,
  },
  ...accessOperations,
  ...certificateOperations,
  ...webhookOperations(ALERT_TYPES),
  ...tokenOperations,
  loginCode,
  metrics: {
    summary: "Metrics in the Prometheus text format",
    method: "GET",
    path: "/metrics",
    scope: "read",
    transport: "text",
    answer: z.string(),
  },
});

/** What a service was called in requests. */
export const oldNames: OldNames = { process: "service" };

export type TenContract = typeof contract;
export type TenClient = Client<TenContract>;
