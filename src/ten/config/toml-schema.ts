// The shape of tenement.toml as people write it: keys, allowed values and defaults, checked key by key.

import { isIPv4 } from "node:net";
import { z } from "zod";
import { REACHES } from "../../api/reach.ts";
import { parseAccessLog } from "../../core/access-log.ts";
import { parseAuthority } from "../../core/certificate-authority.ts";
import { parseDomain } from "../../core/domain.ts";
import { parseHsts } from "../../core/duration.ts";
import {
  checkProbe,
  LEAST_COPIES,
  MOST_COPIES,
  ON_FAIL,
  REJECTIONS,
  wishesOf,
} from "../../core/judge/plan.ts";
import { parseLabel } from "../../core/name.ts";
import { quote } from "../../core/quote.ts";
import { checkTemplate } from "../../core/template.ts";
import { createTrust } from "../../core/trusted-proxies.ts";
import { type PortRange, parsePortRange } from "../../platform/net/ports.ts";
import { restartPolicy } from "./other-keys.ts";
import { explain } from "./problems.ts";
import { checkSchedule } from "./schedule.ts";
import { asText, inMegabytes, inMillis, inPercent, inSeconds } from "./values.ts";

/** The document with every default filled in: plain data that can be written out as TOML again. */
export type TomlDocument = z.output<typeof documentShape>;
export type ServiceDocument = z.output<typeof serviceShape>;

const DAY_SECS = 86_400;

/** One message for whatever is wrong with a value. */
function expected(what: string) {
  return {
    error: (issue: { readonly input?: unknown }) =>
      issue.input === undefined ? `missing, expected ${what}` : `expected ${what}, got ${show(issue.input)}`,
  };
}

function show(value: unknown): string {
  if (typeof value === "string") return quote(value);
  if (Array.isArray(value)) return "a list";
  if (value instanceof Date) return "a date";
  return typeof value === "object" ? "a table" : String(value);
}

const table = expected("a table");

function number(what: string, from: number, to: number) {
  const say = expected(`${what} from ${from} to ${to}`);
  return z.number(say).min(from, say).max(to, say);
}

/** Seconds, fractions allowed, or a text such as "2m". */
function seconds(from: number, to = DAY_SECS) {
  return z.preprocess(inSeconds, number("a number of seconds", from, to));
}

function millis(from: number, to: number) {
  return z.preprocess(inMillis, whole("a whole number of milliseconds", from, to));
}

/** Megabytes, or a text such as "512M". */
function megabytes(from: number, to: number) {
  return z.preprocess(inMegabytes, number("a number of megabytes", from, to));
}

function whole(what: string, from: number, to: number) {
  const say = expected(`${what} from ${from} to ${to}`);
  return z.int(say).min(from, say).max(to, say);
}

const yesOrNo = z.boolean(expected("true or false"));

function list<T extends z.ZodType>(what: string, item: T) {
  return z.array(item, expected(`a list of ${what}`)).max(1000, `more than 1000 ${what}`);
}

function choice<const T extends readonly [string, ...string[]]>(...words: T) {
  return z.enum(words, expected(words.map((word) => `"${word}"`).join(" or ")));
}

/** A string that `parse` accepts; its Fault is the message. NUL can be in no argument, path or variable of a process. */
function text(what: string, parse?: (value: string) => unknown) {
  return z.string(expected(what)).superRefine((value, context) => {
    try {
      if (value.includes("\0")) throw new Error("contains a NUL character");
      parse?.(value);
    } catch (thrown) {
      context.addIssue({ code: "custom", message: explain(thrown) });
    }
  });
}

function given(value: string): void {
  if (value.trim() === "") throw new Error("is empty");
}

function template(value: string): void {
  given(value);
  checkTemplate(value);
}

function path(value: string): void {
  if (!/^\/(?!\/)[\x21-\x7e]*$/.test(value))
    throw new Error(`expected a path such as "/health", got ${quote(value)}`);
}

function pattern(value: string): void {
  new RegExp(value, "v");
}

/** Elsewhere an instance would be open to who goes round the proxy. */
function loopback(value: string): void {
  if (value !== "::1" && !(isIPv4(value) && value.startsWith("127.")))
    throw new Error(`expected a loopback address, "127.0.0.1" or "::1", got ${quote(value)}`);
}

/** Ports below 1024 need privileges that apps should not have. */
export function portRange(value: string): PortRange {
  const range = parsePortRange(value);
  if (range !== undefined && range.first >= 1024) return range;
  throw new Error(`expected two ports from 1024 to 65535 such as "20000-29999", got ${quote(value)}`);
}

/** How health is checked and restarts are made: in [settings] for all services, and in a service for itself. */
const supervisionShape = {
  health_check_interval: seconds(0.1, 3600),
  health_check_timeout: seconds(0.1, 60),
  max_restarts: whole("a whole number", 0, 1000),
  restart_window: seconds(1),
  backoff_base_ms: millis(0, 3_600_000),
  backoff_max_ms: millis(0, 3_600_000),
  unhealthy_restart_secs: seconds(0),
  failed_retry_secs: seconds(0),
};

/** A union tells of its parts what it cannot say as a whole, so the parts say the whole. */
const workers = expected('a whole number from 1 to 256 or "auto"');

export const DEFAULT_DOMAIN = "localhost";

const settingsShape = z.object(
  {
    host: text("an address", given).exactOptional(),
    port: whole("a port", 0, 65_535).exactOptional(),
    domain: text("a domain", parseDomain).default(DEFAULT_DOMAIN),
    data_dir: text("a directory", given).exactOptional(),
    health_check_interval: supervisionShape.health_check_interval.default(10),
    health_check_timeout: supervisionShape.health_check_timeout.default(2),
    max_restarts: supervisionShape.max_restarts.default(3),
    restart_window: supervisionShape.restart_window.default(300),
    backoff_base_ms: supervisionShape.backoff_base_ms.default(1000),
    backoff_max_ms: supervisionShape.backoff_max_ms.default(60_000),
    unhealthy_restart_secs: supervisionShape.unhealthy_restart_secs.default(60),
    failed_retry_secs: supervisionShape.failed_retry_secs.default(60),
    ports: text('two ports such as "20000-29999"', portRange).default("20000-29999"),
    workers: z
      .union([z.int(workers).min(1, workers).max(256, workers), z.literal("auto")], workers)
      .default(1),
    release_max_mb: number("a number of megabytes", 1, 1_000_000).default(1024),
    certificates: list("files and directories", text("a file or a directory", given)).default([]),
    http2: yesOrNo.default(true),
    admin: z.enum(REACHES, expected('"socket", "loopback" or "public"')).exactOptional(),
    selector_from: list(
      "addresses and networks",
      text("an address or network", (value) => createTrust([value])),
    ).exactOptional(),
    direct_from: list(
      "addresses and networks",
      text("an address or network", (value) => createTrust([value])),
    ).default([]),
    trusted_proxies: list(
      "addresses and networks",
      text("an address or network", (value) => createTrust([value])),
    ).default(["127.0.0.0/8", "::1"]),
    proxy_protocol: yesOrNo.default(false),
    max_client_requests: number("a whole number", 0, 1_000_000).default(256),
    max_client_streams: number("a whole number", 0, 1_000_000).default(256),
    max_client_connections: number("a whole number", 0, 1_000_000).default(1_024),
    min_body_rate: number("bytes a second", 0, 1_000_000_000).default(240),
    min_read_rate: number("bytes a second", 0, 1_000_000_000).default(240),
    held_memory_mb: number("a number of MB", 1, 1_000_000).default(256),
    access_log_to: choice("file", "stdout").default("file"),
    access_log_format: choice("json", "combined").default("json"),
    access_log_query: yesOrNo.default(false),
    canary_forgotten_after: seconds(0, 365 * DAY_SECS).default(DAY_SECS),
  },
  table,
);

/** How certificates are ordered. */
const acmeShape = z.object(
  {
    authorities: list("certificate authorities", text("a name or an address", authority)).default([
      "letsencrypt",
    ]),
    email: text("an address such as ops@example.com", email).exactOptional(),
    eab_file: text("a file", given).exactOptional(),
    profile: text('a profile such as "shortlived"', given).exactOptional(),
    preferred_chain: text("the common name of a root", given).exactOptional(),
    dns_command: text("a command", given).exactOptional(),
    roots: text("a file of certificates in PEM", given).exactOptional(),
    challenges: list("kinds of challenges", choice("http-01", "tls-alpn-01")).default(["http-01"]),
  },
  table,
);

function authority(value: string): void {
  if (value !== "none") parseAuthority(value);
}

function email(value: string): void {
  if (!/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(value))
    throw new Error(`expected an address such as ops@example.com, got ${quote(value)}`);
}

/** What a canary's plan is to be; the rest is chosen by the traffic. Shares and points in percent, times in seconds. */
const rolloutShape = z
  .object(
    {
      steps: list("steps", z.preprocess(inPercent, number("a percentage", 0, 100))).exactOptional(),
      every: seconds(0.1).exactOptional(),
      notice: number("a number of points", 0.1, 50).exactOptional(),
      max_slower: number("a factor", 1.1, 100).exactOptional(),
      within: seconds(1).exactOptional(),
      limit: seconds(1, 7 * DAY_SECS).exactOptional(),
      bake: seconds(0, 7 * DAY_SECS).exactOptional(),
      probe: text("a path", checkProbe).exactOptional(),
      shadow_first: whole("a number of copies", LEAST_COPIES, MOST_COPIES).exactOptional(),
      rejections: choice(...REJECTIONS).exactOptional(),
      on_fail: choice(...ON_FAIL).exactOptional(),
    },
    table,
  )
  .superRefine(({ steps }, context) => {
    try {
      if (steps !== undefined) wishesOf({ steps });
    } catch (thrown) {
      context.addIssue({ code: "custom", path: ["steps"], message: explain(thrown) });
    }
  });

const restart = {
  error: (issue: { readonly input?: unknown }) => {
    const meant = restartPolicy(issue.input);
    const said = `expected "on-failure" or "always" or "never", got ${show(issue.input)}`;
    return meant === undefined ? said : `${said}: here that is ${meant}`;
  },
};

/** What most people mean who write a number there. */
const PORT =
  'each instance gets a free port: write {port} in command, or read PORT; visitors come to ten serve --port. "none" is for what listens nowhere';

const serviceShape = z.object(
  {
    command: text('a command such as "./server --port {port}"', template),
    args: list("arguments", text("an argument", checkTemplate)).default([]),
    setup: text('a command such as "npm ci --omit=dev"', template).exactOptional(),
    setup_timeout: seconds(1).default(300),
    before_start: text('a command such as "./migrate"', template).exactOptional(),
    after_stop: text('a command such as "./backup"', template).exactOptional(),
    keep_releases: whole("a whole number", 1, 10_000).default(5),
    workdir: text("a directory", template).default("."),
    env: z.record(z.string(), z.preprocess(asText, text("a string", checkTemplate)), table).default({}),
    env_file: text("a file", template).exactOptional(),
    health: text('a path such as "/health"', path).exactOptional(),
    health_host: text("a domain", parseDomain).exactOptional(),
    health_command: text('a command such as "./check"', template).exactOptional(),
    port: z.literal("none", PORT).exactOptional(),
    startup_grace: seconds(0.1).default(3),
    schedule: text('a cron expression such as "0 3 * * *"', checkSchedule).exactOptional(),
    address: text('a loopback address such as "::1"', loopback).exactOptional(),
    domains: list("domains", text("a domain", parseDomain)).default([]),
    direct: choice("preview", "open", "trusted", "off").default("preview"),
    sticky: yesOrNo.default(false),
    redirect: yesOrNo.default(true),
    hsts: text('a length of time such as "1y"', parseHsts).exactOptional(),
    sticky_same_site: choice("lax", "strict", "none").default("lax"),
    via: yesOrNo.default(false),
    access_log: text('"off", "errors", "all" or "sample:0.01"', parseAccessLog).default("off"),
    trace: yesOrNo.default(false),
    error_page: text('an HTML file such as "./errors/503.html"', given).exactOptional(),
    restart: z.enum(["on-failure", "always", "never"], restart).default("on-failure"),
    overlap: yesOrNo.exactOptional(),
    startup_timeout: seconds(1).default(30),
    request_timeout: seconds(0).default(30),
    stream_idle_timeout: seconds(0).default(300),
    drain_timeout: seconds(0).default(30),
    stop_grace_period_secs: seconds(0).default(10),
    idle_timeout: seconds(0, 365 * DAY_SECS).default(0),
    refresh: seconds(0, 365 * DAY_SECS).default(0),
    on_demand: yesOrNo.default(false),
    on_demand_ids: text('a regular expression such as "c[0-9]+"', pattern).exactOptional(),
    instances: whole("a whole number", 1, 1_000).default(1),
    max_instances: whole("a whole number", 1, 10_000).default(100),
    storage_persist: yesOrNo.default(true),
    keep: whole("a whole number", 0, 10_000).default(10),
    max_body_mb: megabytes(0, 1_000_000).default(0),
    memory_limit_mb: megabytes(1, 1_000_000_000).exactOptional(),
    cpu_shares: whole("a whole number", 2, 262_144).exactOptional(),
    open_files: whole("a whole number", 16, 1_048_576).exactOptional(),
    rescue: yesOrNo.default(false),
    rescue_errors: yesOrNo.default(false),
    shadow_cookies: yesOrNo.default(false),
    rollout: rolloutShape.exactOptional(),
    user: text("a user", given).exactOptional(),
    group: text("a group", given).exactOptional(),
    isolation: z.literal("process", expected('"process", the only one for now')).default("process"),
    health_check_interval: supervisionShape.health_check_interval.exactOptional(),
    health_check_timeout: supervisionShape.health_check_timeout.exactOptional(),
    max_restarts: supervisionShape.max_restarts.exactOptional(),
    restart_window: supervisionShape.restart_window.exactOptional(),
    backoff_base_ms: supervisionShape.backoff_base_ms.exactOptional(),
    backoff_max_ms: supervisionShape.backoff_max_ms.exactOptional(),
    unhealthy_restart_secs: supervisionShape.unhealthy_restart_secs.exactOptional(),
    failed_retry_secs: supervisionShape.failed_retry_secs.exactOptional(),
  },
  table,
);

/** Unknown keys are found beside it, by `unknownKeys`: zod would tell them in one message for all. */
export const documentShape = z.object(
  {
    settings: settingsShape.prefault({}),
    acme: acmeShape.prefault({}),
    service: z.record(z.string(), serviceShape, table).default({}),
    instances: z.record(z.string(), list("ids", text("an id", parseLabel)), table).default({}),
    routing: z.object({ default: text("the name of a service").exactOptional() }, table).default({}),
  },
  table,
);

/** The keys that are known in the table at `path`; undefined where keys are names that the file itself gives. */
export function knownKeys(path: readonly string[]): readonly string[] | undefined {
  const [first, , ...rest] = path;
  if (first === undefined) return Object.keys(documentShape.shape);
  if (path.length === 1 && first === "settings") return Object.keys(settingsShape.shape);
  if (path.length === 1 && first === "acme") return Object.keys(acmeShape.shape);
  if (path.length === 1 && first === "routing") return ["default"];
  if (first === "service" && path.length === 3 && rest[0] === "rollout")
    return Object.keys(rolloutShape.shape);
  return first === "service" && path.length === 2 && rest.length === 0
    ? Object.keys(serviceShape.shape)
    : undefined;
}
