// A service as the server works with it: names instead of file keys, milliseconds instead of seconds, words instead of a command line.
import { parseAccessLog } from "../../core/access-log.ts";
import { parseHsts } from "../../core/duration.ts";
import type { WishDocument } from "../../core/judge/plan.ts";
import type { RestartPolicy } from "../../core/restart.ts";
import type { RoutePolicy } from "../../core/route.ts";
import { splitWords } from "../../core/shell-words.ts";
import { type Release, releaseOf } from "./release.ts";
import { documentShape, type ServiceDocument, type TomlDocument } from "./toml-schema.ts";

/** A template for processes, and how their traffic is treated. Times in milliseconds. */
export interface Service {
  readonly name: string;
  /** The program and its arguments, split, placeholders still in them. */
  readonly words: readonly [string, ...string[]];
  /** What has to end well before that begins, in the same place; split likewise. */
  readonly beforeStart: readonly [string, ...string[]] | undefined;
  /** What is run after each end of it, likewise. */
  readonly afterStop: readonly [string, ...string[]] | undefined;
  /** What is run once in each build that was shipped, before it counts. */
  readonly setup: { readonly words: readonly [string, ...string[]]; readonly timeoutMs: number } | undefined;
  /** How many shipped builds stay that no instance is of, the newest. */
  readonly keepReleases: number;
  /** Placeholders still in it; relative to the configuration's directory. */
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
  /** Placeholders still in it; relative to the configuration's directory. */
  readonly envFile: string | undefined;
  /** Where it listens, and is asked: a loopback address. */
  readonly address: string;
  /** False: it listens nowhere and gets no traffic. */
  readonly hasPort: boolean;
  /** When it is started, as cron says it, to run and end; undefined: it runs always. */
  readonly schedule: string | undefined;
  /** What all of that, its health check and its limits are made from. */
  readonly release: Release;
  /** Canonical hosts beside `{name}.{domain}`. */
  readonly domains: readonly string[];
  readonly health: HealthCheck;
  readonly restart: Restarts;
  /** Whether it may run twice for as long as a restart takes. */
  readonly overlap: boolean;
  readonly startupTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly stopGraceMs: number;
  /** 0 = never sleeps. */
  readonly idleTimeoutMs: number;
  /** How often its instances are started afresh; 0 = never. */
  readonly refreshMs: number;
  readonly maxInstances: number;
  /** The regular expression that an id matches as a whole that a request may bring to life; undefined: all. */
  readonly onDemandIds: string | undefined;
  /** How many a deploy starts of a version. */
  readonly instances: number;
  readonly storagePersist: boolean;
  /** How many stopped instances that deploys made stay. */
  readonly keep: number;
  readonly limits: Limits;
  readonly policy: RoutePolicy;
  /** What a canary fails is answered by the version before it, where that changes nothing; undefined: it is not. */
  readonly rescue: { readonly on500: boolean } | undefined;
  /** Whether copies of requests have their Cookie and Authorization. */
  readonly shadowCookies: boolean;
  /** What a canary's plan is to be, as far as it is said. */
  readonly rollout: WishDocument;
}

export interface HealthCheck {
  /** The path to GET; undefined: a TCP connect. */
  readonly path: string | undefined;
  /** What has to end well instead, split; undefined: what has no port has to live for `graceMs`. */
  readonly command: readonly [string, ...string[]] | undefined;
  readonly graceMs: number;
  /** The Host to send; undefined: `{service}.{domain}`. */
  readonly host: string | undefined;
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/** What its processes may have, and who they are; undefined: as the server. */
export interface Limits {
  readonly memoryBytes: number | undefined;
  readonly cpuShares: number | undefined;
  readonly openFiles: number | undefined;
  readonly user: string | undefined;
  readonly group: string | undefined;
}

export interface Restarts extends RestartPolicy {
  /** How long it may be unhealthy before it is restarted; 0 = for ever. */
  readonly unhealthyMs: number;
}

/** The service for instances of a release: they are started and checked as that says, and treated as is configured now. */
export function released(service: Service, release: Release | null): Service {
  if (release === null) return service;
  const { health: path, health_host: host } = release;
  const health = { ...service.health, path, host, command: checkCommandOf(release) };
  return { ...service, ...launchOf(release), release, health };
}

/** The rules for instances whose service was not configured when the server started: they can be checked and stopped. */
export function orphanService(name: string): Service {
  const document = documentShape.parse({ service: { [name]: { command: "none" } } });
  const service = document.service[name];
  if (!service) throw new Error("a document has the service that it was given");
  return toService(name, service, document.settings);
}

const BYTES_PER_MB = 1_048_576;

/** `document` is checked; what it leaves out of health checks and restarts is taken from `settings`. `errorPage` is HTML. */
export function toService(
  name: string,
  document: ServiceDocument,
  settings: TomlDocument["settings"],
  errorPage?: string | undefined,
): Service {
  const supervision = { ...settings, ...document };
  return {
    name,
    ...launchOf(document),
    release: releaseOf(document),
    setup:
      document.setup === undefined
        ? undefined
        : { words: programAndArgs(document.setup), timeoutMs: ms(document.setup_timeout) },
    keepReleases: document.keep_releases,
    domains: document.domains,
    health: {
      path: document.health,
      host: document.health_host,
      command: checkCommandOf(document),
      graceMs: ms(document.startup_grace),
      intervalMs: ms(supervision.health_check_interval),
      timeoutMs: ms(supervision.health_check_timeout),
    },
    restart: {
      mode: document.restart,
      maxRestarts: supervision.max_restarts,
      restartWindowMs: ms(supervision.restart_window),
      backoffBaseMs: supervision.backoff_base_ms,
      backoffMaxMs: supervision.backoff_max_ms,
      unhealthyMs: ms(supervision.unhealthy_restart_secs),
      failedRetryMs: ms(supervision.failed_retry_secs),
    },
    schedule: document.schedule,
    // What has no port is told apart by nobody: two of a worker would do the same work.
    overlap: document.overlap ?? document.port !== "none",
    startupTimeoutMs: ms(document.startup_timeout),
    drainTimeoutMs: ms(document.drain_timeout),
    stopGraceMs: ms(document.stop_grace_period_secs),
    idleTimeoutMs: ms(document.idle_timeout),
    refreshMs: ms(document.refresh),
    maxInstances: document.max_instances,
    onDemandIds: document.on_demand_ids,
    instances: document.instances,
    storagePersist: document.storage_persist,
    keep: document.keep,
    rescue: document.rescue ? { on500: document.rescue_errors } : undefined,
    shadowCookies: document.shadow_cookies,
    rollout: document.rollout ?? {},
    policy: {
      direct: document.direct,
      requestTimeoutMs: ms(document.request_timeout),
      streamIdleTimeoutMs: ms(document.stream_idle_timeout),
      waitMs: ms(document.startup_timeout),
      onDemand: document.on_demand,
      checkPath: document.idle_timeout > 0 ? document.health : undefined,
      errorPage,
      redirect: document.redirect,
      hsts: document.hsts === undefined ? undefined : parseHsts(document.hsts),
      sticky: document.sticky ? `ten-sticky-${name}` : undefined,
      stickySameSite: document.sticky_same_site,
      via: document.via,
      accessLog: parseAccessLog(document.access_log),
      trace: document.trace,
      maxBodyBytes: scaled(document.max_body_mb, BYTES_PER_MB),
    },
  };
}

function launchOf(
  release: Release,
): Pick<
  Service,
  "words" | "beforeStart" | "afterStop" | "workdir" | "env" | "envFile" | "address" | "hasPort" | "limits"
> {
  const { memory_limit_mb: memoryMb, before_start: beforeStart, after_stop: afterStop } = release;
  return {
    words: wordsOf(release),
    beforeStart: beforeStart === undefined ? undefined : programAndArgs(beforeStart),
    afterStop: afterStop === undefined ? undefined : programAndArgs(afterStop),
    workdir: release.workdir,
    env: release.env,
    envFile: release.env_file,
    address: addressOf(release),
    hasPort: hasPort(release),
    limits: {
      memoryBytes: memoryMb === undefined ? undefined : scaled(memoryMb, BYTES_PER_MB),
      cpuShares: release.cpu_shares,
      openFiles: release.open_files,
      user: release.user,
      group: release.group,
    },
  };
}

/** A release of a worker or a job has none. */
export function hasPort(release: Release | null): boolean {
  return release?.port !== "none";
}

/** Where an instance of the release listens. */
export function addressOf(release: Release | null): string {
  return release?.address ?? "127.0.0.1";
}

function checkCommandOf({ health_command: command }: Release): [string, ...string[]] | undefined {
  return command === undefined ? undefined : programAndArgs(command);
}

/** With arguments given, `command` is the program verbatim; none is the same as `args = []`, the default. */
function wordsOf({ command, args }: Release): [string, ...string[]] {
  return args.length > 0 ? [command, ...args] : programAndArgs(command);
}

function programAndArgs(command: string): [string, ...string[]] {
  const [program = "", ...rest] = splitWords(command);
  return [program, ...rest];
}

function ms(seconds: number): number {
  return scaled(seconds, 1000);
}

/** A whole number, and 0, which means "none", only when 0 was written. */
function scaled(value: number, by: number): number {
  return value === 0 ? 0 : Math.max(1, Math.round(value * by));
}
