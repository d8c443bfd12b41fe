// From a service and an instance to what is started: the words of its command, its environment and its directory.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { instanceName } from "../../core/name.ts";
import { shellWord } from "../../core/shell-words.ts";
import { fill, type PlaceholderValues } from "../../core/template.ts";
import type { Config } from "../config/config.ts";
import { dataPaths } from "../config/paths.ts";
import type { Service } from "../config/service.ts";

/** What of an instance its command may depend on. */
export interface Launched {
  readonly id: string;
  readonly version: string;
  /** Null: it has none. */
  readonly port: number | null;
  /** The secret that marks the process and its children as this start's. */
  readonly nonce: string;
}

export interface ProcessSpec {
  /** The program, absolute or to be found in `env.PATH`, and its arguments. */
  readonly argv: readonly [string, ...string[]];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Absolute; need not exist. */
  readonly cwd: string;
}

/** Our own variables, what the Bun in us obeys, and what the service manager said to us alone. */
const OURS =
  /^(?:(?:TENEMENT|SLUM|TEN)_.*|BUN_(?:OPTIONS|BE_BUN|INSPECT.*|CONFIG_.*)|NOTIFY_SOCKET|WATCHDOG_(?:USEC|PID)|LISTEN_(?:PID|FDS|FDNAMES)|INVOCATION_ID|JOURNAL_STREAM)$/s;
/** What makes apps write their output when they write it, and not when a buffer is full. */
const UNBUFFERED = { PYTHONUNBUFFERED: "1" };

/**
 * The command of one start. `base` is the server's environment; `secrets` comes from env_file. A program with a slash in it is looked for from the
 * configuration's directory, then from the working directory; `exists` is asked which. An app without {port} in its words
 * reads PORT.
 */
export function processSpecOf(
  config: Config,
  service: Service,
  instance: Launched,
  base: Readonly<Record<string, string | undefined>>,
  exists: (path: string) => boolean = existsSync,
  secrets: Readonly<Record<string, string>> = {},
): ProcessSpec {
  const spec = placeOf(config, service, instance, base, exists, secrets);
  const argv = spec.argvOf(service.words);
  return {
    argv: service.beforeStart === undefined ? argv : afterwards(spec.argvOf(service.beforeStart), argv),
    env: spec.env,
    cwd: spec.cwd,
  };
}

/** Another command in the same place, with the same environment: what its health is asked by. */
export function commandBeside(
  words: readonly [string, ...string[]],
  config: Config,
  service: Service,
  instance: Launched,
  base: Readonly<Record<string, string | undefined>>,
  secrets: Readonly<Record<string, string>>,
): ProcessSpec {
  const { argvOf, env, cwd } = placeOf(config, service, instance, base, existsSync, secrets);
  return { argv: argvOf(words), env, cwd };
}

function placeOf(
  config: Config,
  service: Service,
  instance: Launched,
  base: Readonly<Record<string, string | undefined>>,
  exists: (path: string) => boolean,
  secrets: Readonly<Record<string, string>>,
) {
  const values = placeholders(config, service, instance, base);
  const cwd = resolve(config.directory, fill(service.workdir, values));
  const argvOf = ([program, ...args]: readonly [string, ...string[]]): [string, ...string[]] => [
    programPath(fill(program, values), config.directory, cwd, exists),
    ...args.map((word) => fill(word, values)),
  ];
  return { argvOf, env: environment(service, instance, base, secrets, values), cwd };
}

/**
 * One command after another has ended well, in one process: as its user, within its limits and its startup_timeout, with its
 * output in the instance's log.
 */
function afterwards(first: readonly string[], then: readonly string[]): [string, ...string[]] {
  const words = first.map(shellWord).join(" ");
  const failed = '{ code=$?; echo "before_start failed: exit code $code" >&2; exit "$code"; }';
  return ["/bin/sh", "-c", `${words} || ${failed}\nexec "$@"`, "before_start", ...then];
}

export function placeholders(
  config: Config,
  service: Service,
  instance: Launched,
  env: Readonly<Record<string, string | undefined>>,
): PlaceholderValues {
  const paths = dataPaths(config.settings.dataDir);
  return {
    name: service.name,
    id: instance.id,
    version: instance.version,
    data_dir: paths.root,
    instance_dir: paths.instance(service.name, instance.id),
    shared_dir: paths.shared(service.name),
    release_dir: paths.release(service.name, instance.version),
    port: instance.port === null ? "" : String(instance.port),
    env,
  };
}

function programPath(
  program: string,
  directory: string,
  cwd: string,
  exists: (path: string) => boolean,
): string {
  if (!program.includes("/")) return program;
  const fromConfig = resolve(directory, program);
  const fromWorkdir = resolve(cwd, program);
  return !exists(fromConfig) && exists(fromWorkdir) ? fromWorkdir : fromConfig;
}

function environment(
  service: Service,
  instance: Launched,
  base: Readonly<Record<string, string | undefined>>,
  secrets: Readonly<Record<string, string>>,
  values: PlaceholderValues,
): Record<string, string> {
  const env: Record<string, string> = { ...UNBUFFERED };
  for (const [name, value] of Object.entries(base))
    if (value !== undefined && !OURS.test(name)) env[name] = value;
  const ours = {
    ...(instance.port !== null && { PORT: values.port, HOST: service.address }),
    TEN_SERVICE: service.name,
    TEN_INSTANCE: instanceName(service.name, instance.id),
    TEN_VERSION: instance.version,
    TEN_NONCE: instance.nonce,
  };
  const theirs = Object.entries(service.env).map(([name, value]) => [name, fill(value, values)]);
  return { ...env, ...ours, ...secrets, ...Object.fromEntries(theirs) };
}
