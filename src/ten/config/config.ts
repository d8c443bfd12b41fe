// The configuration: tenement.toml found, read, checked as a whole, and turned into what the server works with.

import { existsSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parse, TomlError } from "smol-toml";
import type { AdminReach } from "../../api/reach.ts";
import { isDomain, parseDomain } from "../../core/domain.ts";
import { Fault, messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import type { Environment } from "../../platform/environment.ts";
import { type Ephemeral, isEphemeral, type PortRange, readEphemeral } from "../../platform/net/ports.ts";
import { crossCheck } from "./cross-checks.ts";
import { defaultDataDir, newDataDir, OLD_DATA_DIR, servingService } from "./data-dir.ts";
import { readErrorPage } from "./error-page.ts";
import { configFault, type Problem } from "./problems.ts";
import { type Service, toService } from "./service.ts";
import { withServiceUsers } from "./service-user.ts";
import { DEFAULT_DOMAIN, documentShape, portRange, type TomlDocument } from "./toml-schema.ts";
import { requireTrusted } from "./trusted-file.ts";

export const CONFIG_NAME = "tenement.toml";
const MAX_BYTES = 1_048_576;

/** A checked configuration; immutable, a reload makes a new one. */
export interface Config {
  /** The file, absolute. Relative paths in it start at its directory. */
  readonly path: string;
  readonly directory: string;
  readonly settings: Settings;
  readonly services: ReadonlyMap<string, Service>;
  /** Ids to spawn once, by service, when the registry has never held an instance of that service. */
  readonly instances: ReadonlyMap<string, readonly string[]>;
  readonly routing: { readonly default: string | undefined };
  /** What is allowed but probably not meant; one line each. */
  readonly warnings: readonly string[];
  /** What was written, with all defaults filled in. */
  readonly document: TomlDocument;
  /** The tables of services as they were written. */
  readonly written: Readonly<Record<string, unknown>>;
}

export interface Settings {
  /** Where it listens and under which domain, unless flags say so; the host undefined: as the domain is. */
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly domain: string;
  /** Absolute. */
  readonly dataDir: string;
  /** Where instances get their ports; at least one of them is outside the system's ephemeral range. */
  readonly ports: PortRange;
  /** Proxy processes; `auto` is one per core. */
  readonly workers: number | "auto";
  /** IP addresses and CIDR networks. */
  readonly trustedProxies: readonly string[];
  /** Whether their connections may begin with a PROXY header. */
  readonly proxyProtocol: boolean;
  /** The most that a shipped build may have, unpacked. */
  readonly releaseMaxMb: number;
  /** Who reaches the admin side on the visitors' listener; undefined: this machine, or with https who has a token. */
  readonly admin: AdminReach | undefined;
  /** Files and directories of certificates, absolute. */
  readonly certificates: readonly string[];
  readonly http2: boolean;
  /** Whose peers may say by X-Tenement-Instance for whom they ask; undefined: the file does not say. */
  readonly selectorFrom: readonly string[] | undefined;
  /** Whose peers may see versions that have no traffic yet. */
  readonly directFrom: readonly string[];
  /** What one client may have open: requests in flight, upgraded connections, connections. */
  readonly maxClientRequests: number;
  readonly maxClientStreams: number;
  readonly maxClientConnections: number;
  /** Bytes a second of a slow body and of a slow reader, and MB of strangers' bytes in sum. */
  readonly minBodyRate: number;
  readonly minReadRate: number;
  readonly heldMemoryMb: number;
  /** How long a split between versions may stay as it is until somebody is told; 0: for ever. */
  readonly canaryForgottenMs: number;
  readonly accessLog: {
    readonly to: "file" | "stdout";
    readonly format: "json" | "combined";
    readonly query: boolean;
  };
}

/** One proxies inside the server's process, more beside it. */
export function workersOf({ workers }: Pick<Settings, "workers">): number {
  return workers === "auto" ? availableParallelism() : workers;
}

/** As the data plane takes them. */
export function limitsOf(settings: Settings) {
  const { maxClientRequests, maxClientStreams, maxClientConnections, minBodyRate, minReadRate } = settings;
  return {
    maxClientRequests,
    maxClientStreams,
    maxClientConnections,
    minBodyRate,
    minReadRate,
    // All workers together hold no more.
    heldBytes: Math.ceil((settings.heldMemoryMb * 1024 * 1024) / workersOf(settings)),
  };
}

export interface ConfigOptions {
  /** Overrides `data_dir`; absolute. */
  readonly dataDir?: string;
  /** Where the data is when neither that nor the file says so; absolute. Default: beside the file. */
  readonly defaultDataDir?: string;
  /** Overrides `domain`, the server's own, which no service may claim. */
  readonly domain?: string | undefined;
  /** The ports that the system gives to outgoing connections; default: none. */
  readonly ephemeral?: Ephemeral;
  /** Each service without a user runs as one of its own. */
  readonly serviceUsers?: boolean;
  /** Reads an error page, absolute, or throws an error that says why not; default: pages are left out. */
  readonly readPage?: (file: string) => string;
}

/**
 * Finds and reads the configuration: `path`, or tenement.toml in `cwd` or the nearest parent that has one.
 * Throws a Fault: `not_found` without a file, `usage` with everything that is wrong in it.
 */
export function loadConfig(
  cwd: string,
  path: string | undefined,
  { env, ...options }: ConfigOptions & { readonly env: Environment },
): Config {
  const file = findConfig(cwd, path);
  const config = parseConfig(readConfig(file), file, {
    ephemeral: readEphemeral(),
    readPage: readErrorPage,
    defaultDataDir: options.dataDir ?? defaultDataDir(file, env),
    ...options,
  });
  const warning = dataDirWarning(config, options.dataDir !== undefined, newDataDir(file, env));
  return { ...config, warnings: [...config.warnings, ...warning] };
}

/** The data directory holds the registry, logs and maybe a token, which an app that serves its directory would show to visitors. */
function dataDirWarning(
  { directory, services, settings: { dataDir }, document }: Config,
  isFlag: boolean,
  better: string,
): string[] {
  const isWritten = document.settings.data_dir !== undefined;
  const isOld = !isFlag && !isWritten && dataDir === join(directory, OLD_DATA_DIR);
  const exposing = servingService(services.values(), directory, dataDir);
  if (exposing === undefined && !isOld) return [];
  const where =
    exposing === undefined
      ? "lies where earlier versions had it"
      : `lies in the workdir of ${exposing}, which may serve it to visitors`;
  const then = isFlag ? " and give that as --data-dir" : isWritten ? " and leave data_dir out" : "";
  const move = `mkdir -p ${dirname(better)} && mv ${dataDir} ${better}`;
  return [`the data directory ${dataDir} ${where}; move it while ten serve is stopped: ${move}${then}`];
}

/** The absolute path of the configuration file; a `not_found` fault, or `usage` for one that was found and is not to be trusted. */
export function findConfig(cwd: string, path: string | undefined): string {
  if (path !== undefined) {
    const file = resolve(cwd, path);
    if (existsSync(file)) return file;
    throw new Fault("not_found", `there is no configuration ${quote(file)}`, "write one with: ten init");
  }
  for (let directory = resolve(cwd); ; directory = dirname(directory)) {
    const file = join(directory, CONFIG_NAME);
    if (existsSync(file)) {
      requireTrusted(file, directory !== resolve(cwd));
      return file;
    }
    if (directory === dirname(directory)) break;
  }
  const hint = "write one with: ten init, or name it with --config";
  throw new Fault("not_found", `there is no ${CONFIG_NAME} in ${quote(resolve(cwd))} or above it`, hint);
}

function readConfig(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new Fault(
      "usage",
      `cannot read ${file}: ${messageOf(error)}`,
      "check what it is and who may read it",
    );
  }
  if (bytes.length > MAX_BYTES)
    throw new Fault("usage", `${file} is larger than 1 MB`, "is it the right file?");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Fault("usage", `${file} is not UTF-8 text`, "save it as UTF-8");
  }
}

/** Reads a configuration from its text; pure. `path` is absolute. Throws a `usage` fault that tells every problem. */
export function parseConfig(text: string, path: string, options: ConfigOptions = {}): Config {
  const raw = parseToml(text, path);
  const shaped = documentShape.safeParse(raw);
  const problems: Problem[] = [
    ...(shaped.error?.issues ?? []),
    ...crossCheck(raw, options.domain ?? domainIn(raw)),
    ...(shaped.success
      ? [
          ...backoffProblems(shaped.data),
          ...outputProblems(shaped.data),
          ...portProblems(shaped.data, options),
        ]
      : []),
  ];
  const pages = new Map<string, string>();
  if (shaped.success) problems.push(...pageProblems(shaped.data, path, options, pages));
  if (!shaped.success || problems.length > 0) throw configFault(path, problems);
  const written = (raw.service ?? {}) as Config["written"];
  const document = options.serviceUsers ? withServiceUsers(shaped.data) : shaped.data;
  return { ...toConfig(document, raw, path, options, pages), written };
}

/** As far as it is one: what is wrong with it is told with the rest. */
function domainIn({ settings }: Record<string, unknown>): string {
  const { domain } = (settings ?? {}) as { readonly domain?: unknown };
  return typeof domain === "string" && isDomain(domain) ? parseDomain(domain) : DEFAULT_DOMAIN;
}

/** The document in a configuration file, unchecked. Throws a `usage` fault with line and column when it is no TOML. */
export function readDocument(file: string): Record<string, unknown> {
  return parseToml(readConfig(file), file);
}

function parseToml(text: string, path: string): Record<string, unknown> {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split("\n", 1)[0]?.replace("Invalid TOML document: ", "");
    const whole = text.split("\n", error.line).at(-1) ?? "";
    const bare = what === "invalid value" && /^(?!true|false)[a-z./~]/i.test(whole.slice(error.column - 1));
    throw new Fault(
      "usage",
      `${path}:${error.line}:${error.column}: ${what}`,
      `look at line ${error.line}${bare ? ", where text needs quotes" : ""}: ${whole.trim()}`,
    );
  }
}

type Backoff = Partial<Pick<TomlDocument["settings"], "backoff_base_ms" | "backoff_max_ms">>;

function backoffProblems(document: TomlDocument): Problem[] {
  const tables: [path: string[], table: Backoff][] = [
    [["settings"], {}],
    ...Object.entries(document.service).map(([name, service]): [string[], Backoff] => [
      ["service", name],
      service,
    ]),
  ];
  return tables.flatMap(([path, table]) => {
    const { backoff_base_ms: base, backoff_max_ms: most } = { ...document.settings, ...table };
    const message = `expected at least backoff_base_ms, ${base}, got ${most}`;
    return base > most ? [{ path: [...path, "backoff_max_ms"], message }] : [];
  });
}

/** How many ports there are, and how many of them no outgoing connection takes. */
function countPorts(document: TomlDocument, { ephemeral }: ConfigOptions): { all: number; usable: number } {
  const { first, last } = portRange(document.settings.ports);
  const all = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  const usable = ephemeral === undefined ? all : all.filter((port) => !isEphemeral(port, ephemeral));
  return { all: all.length, usable: usable.length };
}

/** Reads the error pages into `pages`, by service. */
function* pageProblems(
  document: TomlDocument,
  path: string,
  { readPage }: ConfigOptions,
  pages: Map<string, string>,
): Generator<Problem> {
  for (const [name, { error_page: file }] of Object.entries(document.service)) {
    if (file === undefined || readPage === undefined) continue;
    try {
      pages.set(name, readPage(resolve(dirname(path), file)));
    } catch (thrown) {
      yield { path: ["service", name, "error_page"], message: messageOf(thrown) };
    }
  }
}

function outputProblems({ settings }: TomlDocument): Problem[] {
  if (settings.access_log_to !== "stdout" || workersOf(settings) === 1) return [];
  const message =
    'workers have an output of their own, and there are to be several; write access_log_to = "file", or workers = 1';
  return [{ path: ["settings", "access_log_to"], message }];
}

function portProblems(document: TomlDocument, options: ConfigOptions): Problem[] {
  if (countPorts(document, options).usable > 0) return [];
  const { ports } = document.settings;
  const message = `the system gives all of ${ports} to outgoing connections; choose others, or reserve them: sysctl -w net.ipv4.ip_local_reserved_ports=${ports}`;
  return [{ path: ["settings", "ports"], message }];
}

function portWarnings(document: TomlDocument, options: ConfigOptions): string[] {
  const { all, usable } = countPorts(document, options);
  if (usable === all) return [];
  const { ports } = document.settings;
  return [`settings.ports: the system gives some of ${ports} to outgoing connections, ${usable} are left`];
}

/** `V = 1.10` is a number in TOML, and 1.1 as text: whoever wrote it may have meant something else. */
function textWarnings(raw: Record<string, unknown>): string[] {
  const tables = Object.entries(
    (raw.service ?? {}) as Record<string, { readonly env?: Record<string, unknown> }>,
  );
  return tables.flatMap(([name, { env = {} }]) =>
    Object.entries(env)
      .filter(([, value]) => typeof value !== "string")
      .map(
        ([key, value]) => `service.${name}.env.${key}: variables are text: ${value} is taken as "${value}"`,
      ),
  );
}

function toConfig(
  document: TomlDocument,
  raw: Record<string, unknown>,
  path: string,
  options: ConfigOptions,
  pages: ReadonlyMap<string, string>,
): Omit<Config, "written"> {
  const directory = dirname(path);
  const { settings } = document;
  return {
    path,
    directory,
    settings: {
      host: settings.host,
      port: settings.port,
      domain: options.domain ?? parseDomain(settings.domain),
      dataDir: dataDirOf(settings.data_dir, directory, options),
      ports: portRange(settings.ports),
      workers: settings.workers,
      trustedProxies: settings.trusted_proxies,
      proxyProtocol: settings.proxy_protocol,
      releaseMaxMb: settings.release_max_mb,
      admin: settings.admin,
      selectorFrom: settings.selector_from,
      directFrom: settings.direct_from,
      maxClientRequests: settings.max_client_requests,
      maxClientStreams: settings.max_client_streams,
      maxClientConnections: settings.max_client_connections,
      minBodyRate: settings.min_body_rate,
      minReadRate: settings.min_read_rate,
      heldMemoryMb: settings.held_memory_mb,
      canaryForgottenMs: settings.canary_forgotten_after * 1000,
      accessLog: {
        to: settings.access_log_to,
        format: settings.access_log_format,
        query: settings.access_log_query,
      },
      certificates: settings.certificates.map((path) => resolve(directory, path)),
      http2: settings.http2,
    },
    services: new Map(
      Object.entries(document.service).map(([name, service]) => [
        name,
        toService(name, service, settings, pages.get(name)),
      ]),
    ),
    instances: new Map(Object.entries(document.instances)),
    routing: { default: document.routing.default },
    warnings: [...portWarnings(document, options), ...textWarnings(raw)],
    document,
  };
}

function dataDirOf(
  written: string | undefined,
  directory: string,
  { dataDir, defaultDataDir }: ConfigOptions,
): string {
  if (dataDir !== undefined) return dataDir;
  return written === undefined
    ? (defaultDataDir ?? join(directory, OLD_DATA_DIR))
    : resolve(directory, written);
}
