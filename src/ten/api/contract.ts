// The contract of ten's admin API: one table that feeds the server, the client and the documentation.
import { z } from "zod";
import type { Client } from "../../api/client.ts";
import { count, flag, queryFlag } from "../../api/fields.ts";
import { loginCode } from "../../api/login-link.ts";
import { defineContract, type OldNames } from "../../api/operation.ts";
import {
  changeAnswer,
  checkAnswer,
  deployAnswer,
  event,
  instanceAnswer,
  instances,
  label,
  logLine,
  logQuery,
  maintenanceAnswer,
  params,
  reloadAnswer,
  service,
  serviceSplit,
  weight,
} from "./shapes.ts";

/** Longer than any start, drain or queue: the server decides when waiting ends. */
const patient = 24 * 3600_000;

export const contract = defineContract({
  health: {
    summary: "Whether the server is up, and how it sees the caller",
    method: "GET",
    path: "/health",
    scope: "open",
    answer: z.object({ status: z.literal("ok"), peer: z.string().nullable(), trusted: z.boolean() }),
  },
  listInstances: {
    summary: "All instances, running or not, with their share of the traffic",
    method: "GET",
    path: "/api/instances",
    scope: "tenant",
    query: z.strictObject({ service: service.optional() }),
    answer: z.object({
      instances: z.array(instanceAnswer),
      maintenance: z.array(z.object({ service: z.string(), since: z.string() })),
    }),
  },
  spawn: {
    summary: "Start an instance; traffic comes when it is healthy",
    method: "POST",
    path: "/api/instances/spawn",
    scope: "tenant",
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
    scope: "tenant",
    params,
    query: z.strictObject({ force: queryFlag }),
    answer: changeAnswer,
    timeoutMs: patient,
  },
  stopAll: {
    summary: "The same for several, those of one service side by side; none when one of them does not exist",
    method: "POST",
    path: "/api/stop",
    scope: "tenant",
    body: z.strictObject({ instances, force: flag }),
    answer: z.object({ changes: z.array(changeAnswer) }),
    timeoutMs: patient,
  },
  removeAll: {
    summary: "Remove stopped instances with their directories and logs; none when one of them runs",
    method: "POST",
    path: "/api/rm",
    scope: "tenant",
    body: z.strictObject({ instances }),
    answer: z.object({ removed: z.array(z.string()) }),
  },
  restart: {
    summary:
      "Start a successor that takes over when it is healthy; answers when the process before it has ended",
    method: "POST",
    path: "/api/instances/:instance/restart",
    scope: "tenant",
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
    scope: "admin",
    params,
    body: z.strictObject({ weight, force: flag }),
    answer: changeAnswer,
    timeoutMs: patient,
  },
  check: {
    summary: "Check an instance's health now",
    method: "GET",
    path: "/api/instances/:instance/health",
    scope: "tenant",
    params,
    answer: checkAnswer,
  },
  prune: {
    summary: "Remove stopped instances of a service beyond the newest ones",
    method: "POST",
    path: "/api/prune",
    scope: "admin",
    body: z.strictObject({ service, keep: z.number().int().min(0).max(10_000).default(5) }),
    answer: z.object({ service: z.string(), removed: z.array(z.string()) }),
  },
  setWeights: {
    summary: "Set raw weights of several instances in one atomic step",
    method: "PUT",
    path: "/api/weights",
    scope: "admin",
    body: z.strictObject({ service, weights: z.record(z.string(), weight), force: flag }),
    answer: changeAnswer,
    timeoutMs: patient,
  },
  split: {
    summary: "How a service's traffic is divided now",
    method: "GET",
    path: "/api/services/:service/split",
    scope: "admin",
    params: z.strictObject({ service }),
    answer: z.object(serviceSplit),
  },
  maintenance: {
    summary:
      "Begin or end a service's maintenance: visitors get 503, its health path and direct hosts still answer",
    method: "PUT",
    path: "/api/services/:service/maintenance",
    scope: "admin",
    params: z.strictObject({ service }),
    body: z.strictObject({ on: z.boolean() }),
    answer: maintenanceAnswer,
  },
  deploy: {
    summary: "Start a version, wait until it is healthy, give it traffic in one step",
    method: "POST",
    path: "/api/deploy",
    scope: "admin",
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
    }),
    answer: deployAnswer,
    timeoutMs: patient,
  },
  route: {
    summary: "Send a service's traffic, or one instance's part of it, to another instance",
    method: "POST",
    path: "/api/route",
    scope: "admin",
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
    scope: "admin",
    /** `dry_run`: nothing is done, and the answer has the split as it would be. */
    body: z.strictObject({ service, last: flag, dry_run: flag }),
    answer: changeAnswer,
    timeoutMs: patient,
  },
  logs: {
    summary: "The last lines that instances wrote",
    method: "GET",
    path: "/api/logs",
    scope: "tenant",
    query: logQuery,
    answer: z.object({ lines: z.array(logLine) }),
  },
  followLogs: {
    summary: "The last lines that instances wrote, and every further one as it comes",
    method: "GET",
    path: "/api/logs/stream",
    scope: "tenant",
    transport: "events",
    query: logQuery,
    answer: logLine,
  },
  events: {
    summary: "What happened: starts, exits, changes of state and of traffic",
    method: "GET",
    path: "/api/events",
    scope: "admin",
    query: z.strictObject({ after: z.coerce.number().int().optional(), limit: count(100, 10_000) }),
    answer: z.object({ events: z.array(event) }),
  },
  config: {
    summary: "The effective configuration of the running server, with its domain and URL",
    method: "GET",
    path: "/api/config",
    scope: "admin",
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
  loginCode,
  metrics: {
    summary: "Metrics in the Prometheus text format",
    method: "GET",
    path: "/metrics",
    scope: "admin",
    transport: "text",
    answer: z.string(),
  },
});

/** What a service was called in requests. */
export const oldNames: OldNames = { process: "service" };

export type TenContract = typeof contract;
export type TenClient = Client<TenContract>;
