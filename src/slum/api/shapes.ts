// The shapes of slum's admin API: what a field may hold on the way in, and what an answer has.
import { z } from "zod";
import { nameReport } from "../../api/certificate-operations.ts";
import { checked, count } from "../../api/fields.ts";
import { proxyAnswers, reasonCount } from "../../api/proxy-answers.ts";
import { Fault } from "../../core/fault.ts";
import { parseLabel, parseService } from "../../core/name.ts";
import { parseSince } from "../../core/since.ts";
import { parseServerUrl } from "../fleet/server-url.ts";
import { parseTenantDomain } from "../fleet/tenant-domain.ts";

const HEALTH_PATH = /^\/[\x21-\x7e]{0,500}$/;

export const label = checked((text) => parseLabel(text));
export const service = checked((text) => parseService(text));
export const serverUrl = checked((text) => parseServerUrl(text).origin);
export const domain = checked(parseTenantDomain);
export const healthPath = checked((text) => {
  if (HEALTH_PATH.test(text)) return text;
  throw new Fault("usage", "a health path begins with / and has no spaces", "write /health");
});
export const region = checked((text) => parseLabel(text, "region"));
export const addressing = z.enum(["header", "host"]);
/** Which Host a server is sent: the visitor's, its own, or the visitor's once a probe has found that it takes any. */
export const host = z.enum(["auto", "keep", "server"]);
export const writes = z.enum(["home", "any"]);
export const params = z.strictObject({ id: label });

/** What this slum itself has answered in the place of servers. */
export const ownAnswers = proxyAnswers.extend({
  /** `server`: the one that was asked last; null: none was. */
  reasons: z.array(reasonCount.extend({ server: z.string().nullable(), last_minute: z.number() })),
  /** `requests`: all in that time, these included; null where they are not counted. */
  windows: z.array(z.object({ window_secs: z.number(), count: z.number(), requests: z.number().nullable() })),
});

export type OwnAnswersView = z.infer<typeof ownAnswers>;

export const serverAnswer = z.object({
  id: z.string(),
  url: z.string(),
  region: z.string().nullable(),
  health_path: z.string(),
  addressing,
  host,
  keeps_host: z.boolean(),
  drained: z.boolean(),
  status: z.enum(["unknown", "online", "offline"]),
  /** Whether its own tenants go to it, and not only those of others. */
  settled: z.boolean(),
  since: z.string(),
  latency_ms: z.number().nullable(),
  checked_at: z.string().nullable(),
  last_check: z.string().nullable(),
  last_error: z.string().nullable(),
  last_error_at: z.string().nullable(),
  tenants: z.number(),
  requests: z.number(),
  in_flight: z.number(),
  failures: z.number(),
  /** Of requests that it was asked for last; null: none in the last hour. */
  proxy_answers: ownAnswers.nullable(),
});
export type ServerView = z.infer<typeof serverAnswer>;

export const tenantAnswer = z.object({
  id: z.string(),
  domain: z.string(),
  server: z.string(),
  service: z.string(),
  instance: z.string().nullable(),
  /** Null: all other servers, lowest latency first. */
  failover: z.array(z.string()).nullable(),
  writes,
  /** The server that a request would go to now; null when there is none. */
  served_by: z.string().nullable(),
  /** False: none of its servers is online. */
  routable: z.boolean(),
  created_at: z.string(),
});
export type TenantView = z.infer<typeof tenantAnswer>;

/** A change, with what the person ought to know about it. */
export const serverChange = z.object({
  server: serverAnswer,
  healthy: z.boolean(),
  detail: z.string(),
  /** Whether the server is a tenement that heeds our forwarded headers; null when it does not say. */
  trusted: z.boolean().nullable(),
  warnings: z.array(z.string()),
});
export const tenantChange = z.object({ tenant: tenantAnswer, warnings: z.array(z.string()) });

export const routeAnswer = z.object({
  domain: z.string(),
  tenant: z.string(),
  /** The server for a request now; null when there is none. */
  server: z.string().nullable(),
  /** False: none of its servers is online, and visitors get 503 unless that one answers all the same. */
  routable: z.boolean(),
  reason: z.string(),
  target: z.string(),
  candidates: z.array(z.object({ server: z.string(), status: z.string(), note: z.string() })),
});

export const statusAnswer = z.object({
  servers: z.array(serverAnswer),
  tenants: z.number(),
  unroutable: z.array(z.string()),
  unroutable_total: z.number(),
  registry: z.object({
    /** A path, or a URL without its password. */
    name: z.string(),
    ok: z.boolean(),
    trouble: z.string().nullable(),
    age_secs: z.number().nullable(),
    snapshot_age_secs: z.number().nullable(),
    slums: z.number(),
  }),
  webhooks: z.object({ receivers: z.number(), waiting: z.number() }),
  /** What is wrong with certificates, a sentence each. */
  certificates: z.array(z.string()),
  proxy_answers: ownAnswers,
  uptime_secs: z.number(),
});

const counts = z.object({
  servers: z.number(),
  tenants: z.number(),
  webhooks: z.number(),
  tokens: z.number(),
});
export const importAnswer = z.object({
  added: counts,
  replaced: counts,
  /** Whether nothing had to be done. */
  unchanged: z.boolean(),
  dry_run: z.boolean(),
  /** New ones of receivers whose secrets were not in the document; shown once. */
  secrets: z.array(z.object({ id: z.string(), secret: z.string() })),
});
export type ImportView = z.infer<typeof importAnswer>;

export const event = z.object({
  seq: z.number(),
  at: z.string(),
  kind: z.string(),
  server: z.string().nullable(),
  tenant: z.string().nullable(),
  detail: z.string(),
  /** On whose behalf (the name of a token, the user at the socket), from where, by which operation; null: slum by itself. */
  by: z.string().nullable(),
  from: z.string().nullable(),
  operation: z.string().nullable(),
});

export const historyAnswer = z.object({
  /** When the first step began. */
  start: z.string(),
  step_secs: z.number(),
  servers: z.array(
    z.object({
      id: z.string(),
      /** Smoothed, at the end of each step; null where no check passed. Of this slum's own checks since it was started. */
      latency_ms: z.array(z.number().nullable()),
      /** Failed checks; null where none was made. */
      failed: z.array(z.number().nullable()),
    }),
  ),
  /** Visitors that got an error of this slum's own (500 and above), in each step. */
  proxy_errors: z.array(z.number()),
  /** Servers that went offline, came back, or were drained, and tenants that were moved; oldest first. */
  changes: z.array(event),
});
export type HistoryView = z.infer<typeof historyAnswer>;

export const whyAnswer = z.object({
  subject: z.string(),
  kind: z.enum(["server", "domain"]),
  /** The most probable one: a word for programs, a sentence for people, and what to do. */
  cause: z.string(),
  text: z.string(),
  hint: z.string(),
  /** Of a domain: who is asked, in order. */
  route: routeAnswer.nullable(),
  /** What can be seen of each from here, now. */
  servers: z.array(
    z.object({
      id: z.string(),
      url: z.string(),
      status: z.enum(["unknown", "online", "offline"]),
      drained: z.boolean(),
      since: z.string(),
      last_check: z.string().nullable(),
      last_error: z.string().nullable(),
      last_error_at: z.string().nullable(),
      latency_ms: z.number().nullable(),
      dns: z.object({ addresses: z.array(z.string()), error: z.string().nullable() }),
      /** Null where it speaks no TLS. */
      tls: z
        .object({
          days_left: z.number().nullable(),
          issuer: z.string().nullable(),
          error: z.string().nullable(),
        })
        .nullable(),
      cause: z.string(),
      text: z.string(),
    }),
  ),
  /** What visitors got from this slum itself: of a domain those of its tenant, of a server those of requests that it was asked for last. */
  proxy_answers: ownAnswers,
  /** Of a domain, where https is served: what a visitor meets on the way to us. */
  https: nameReport.nullable(),
  events: z.array(event),
});
export type WhyView = z.infer<typeof whyAnswer>;

export const eventQuery = z.strictObject({
  after: z.coerce.number().int().optional(),
  since: checked(parseSince).optional(),
  kind: z.string().max(100).optional(),
  by: z.string().max(200).optional(),
  server: label.optional(),
  tenant: label.optional(),
  limit: count(100, 10_000),
});
export type EventView = z.infer<typeof event>;
