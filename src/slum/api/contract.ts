// The contract of slum's admin API: one table that feeds the server, the client and the documentation.
import { z } from "zod";
import { certificateOperations } from "../../api/certificate-operations.ts";
import type { Client } from "../../api/client.ts";
import { count, queryFlag } from "../../api/fields.ts";
import { loginCode } from "../../api/login-link.ts";
import { defineContract } from "../../api/operation.ts";
import { tokenOperations } from "../../api/token-operations.ts";
import { webhookOperations } from "../../webhooks/operations.ts";
import { ALERT_TYPES } from "../webhooks/alerts.ts";
import {
  addressing,
  domain,
  event,
  eventQuery,
  healthPath,
  historyAnswer,
  host,
  importAnswer,
  label,
  params,
  region,
  routeAnswer,
  serverAnswer,
  serverChange,
  serverUrl,
  service,
  statusAnswer,
  tenantAnswer,
  tenantChange,
  whyAnswer,
  writes,
} from "./shapes.ts";

/** A hundred thousand tenants are 20 MB. */
const DOCUMENT_MAX_BYTES = 256 * 1024 * 1024;
const TRANSFER_TIMEOUT_MS = 300_000;

export const contract = defineContract({
  health: {
    summary: "Whether slum is up, which slum it is, and how it sees the caller",
    method: "GET",
    path: "/health",
    scope: "open",
    answer: z.object({
      status: z.literal("ok"),
      slum: z.string(),
      /** Only to peers in --trusted-proxies: how they are seen. */
      peer: z.string().nullable().optional(),
      trusted: z.boolean().optional(),
    }),
  },
  status: {
    summary: "Servers, tenants that cannot be routed, and the state of registry and outbox",
    method: "GET",
    path: "/api/status",
    scope: "read",
    answer: statusAnswer,
  },
  listServers: {
    summary: "All servers with their health",
    method: "GET",
    path: "/api/servers",
    scope: "read",
    answer: z.object({ servers: z.array(serverAnswer) }),
  },
  fleetHistory: {
    summary:
      "The last day of the servers: latency and failed checks by quarter hours, and when they went and came back",
    method: "GET",
    path: "/api/history",
    scope: "read",
    answer: historyAnswer,
  },
  addServer: {
    summary: "Register a server and check it at once",
    method: "POST",
    path: "/api/servers",
    scope: "admin",
    body: z.strictObject({
      id: label,
      url: serverUrl,
      region: region.optional(),
      health_path: healthPath.default("/health"),
      addressing: addressing.default("header"),
      host: host.default("auto"),
    }),
    answer: serverChange,
  },
  changeServer: {
    summary: "Change what is known of a server, and check it at once; what is left out stays",
    method: "PUT",
    path: "/api/servers/:id",
    scope: "admin",
    params,
    body: z.strictObject({
      url: serverUrl.optional(),
      region: region.nullable().optional(),
      health_path: healthPath.optional(),
      addressing: addressing.optional(),
      host: host.optional(),
    }),
    answer: serverChange,
  },
  deleteServer: {
    summary: "Forget a server that no tenant uses",
    method: "DELETE",
    path: "/api/servers/:id",
    scope: "admin",
    params,
    answer: z.object({ id: z.string(), deleted: z.literal(true) }),
  },
  drainServer: {
    summary: "Send a server no new requests, or again",
    method: "PUT",
    path: "/api/servers/:id/drained",
    scope: "admin",
    params,
    body: z.strictObject({ drained: z.boolean() }),
    answer: z.object({ server: serverAnswer, changed: z.boolean() }),
  },
  checkServer: {
    summary: "Check a server now, and whether it trusts this slum",
    method: "POST",
    path: "/api/servers/:id/check",
    scope: "admin",
    params,
    answer: serverChange,
  },
  listTenants: {
    summary: "All tenants, those of one server, those that words find, or those without a server; in pages",
    method: "GET",
    path: "/api/tenants",
    scope: "read",
    query: z.strictObject({
      server: label.optional(),
      /** Words that all occur in its id, domain, home or service; case does not count. */
      search: z.string().max(200).optional(),
      unroutable: queryFlag,
      offset: count(0, 10_000_000),
      limit: count(1_000, 10_000),
    }),
    answer: z.object({ tenants: z.array(tenantAnswer), total: z.number() }),
  },
  addTenant: {
    summary: "Register a tenant: its domain, its home server, and what serves it there",
    method: "POST",
    path: "/api/tenants",
    scope: "admin",
    body: z.strictObject({
      id: label,
      domain,
      server: label,
      service,
      instance: label.optional(),
      /** Left out: all other servers, lowest latency first. Empty: none. */
      failover: z.array(label).max(100).optional(),
      writes: writes.default("any"),
    }),
    answer: tenantChange,
  },
  deleteTenant: {
    summary: "Forget a tenant",
    method: "DELETE",
    path: "/api/tenants/:id",
    scope: "admin",
    params,
    answer: z.object({ id: z.string(), deleted: z.literal(true) }),
  },
  moveTenant: {
    summary: "Give a tenant another home server",
    method: "PUT",
    path: "/api/tenants/:id/server",
    scope: "admin",
    params,
    body: z.strictObject({ server: label }),
    answer: tenantChange,
  },
  route: {
    summary: "Which server would serve a domain now, and why",
    method: "GET",
    path: "/api/route",
    scope: "read",
    query: z.strictObject({ domain }),
    answer: routeAnswer,
  },
  why: {
    summary:
      "What is wrong with a server or a tenant's domain: the most probable cause, DNS, certificates and checks",
    method: "GET",
    path: "/api/why",
    scope: "read",
    query: z.strictObject({ subject: z.string().min(1).max(300) }),
    answer: whyAnswer,
  },
  events: {
    summary: "What happened: changes of status, commands, webhooks",
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
  ...webhookOperations(ALERT_TYPES),
  exportRegistry: {
    summary:
      "The whole registry as one document: servers with their health, tenants, receivers, what was announced",
    method: "GET",
    path: "/api/registry",
    scope: "admin",
    query: z.strictObject({ secrets: z.stringbool().default(false) }),
    timeoutMs: TRANSFER_TIMEOUT_MS,
    answer: z.looseObject({ slum_registry: z.number() }),
  },
  importRegistry: {
    summary: "Take such a document in, all of it or nothing; what is there already stays",
    method: "PUT",
    path: "/api/registry",
    scope: "admin",
    bodyMaxBytes: DOCUMENT_MAX_BYTES,
    timeoutMs: TRANSFER_TIMEOUT_MS,
    body: z.strictObject({
      document: z.looseObject({}),
      replace: z.boolean().default(false),
      dry_run: z.boolean().default(false),
    }),
    answer: importAnswer,
  },
  ...certificateOperations,
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

export type SlumContract = typeof contract;
export type SlumClient = Client<SlumContract>;
