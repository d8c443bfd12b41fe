// What `ten init` writes: a tenement.toml for the apps that a directory holds, a service more for one that there is, or a tiny example.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { Fault, messageOf } from "../../core/fault.ts";
import { isService } from "../../core/name.ts";
import { quote } from "../../core/quote.ts";
import { writeAtomic } from "../../platform/storage/atomic-file.ts";
import { CONFIG_NAME, findConfig, parseConfig } from "../config/config.ts";
import { configText, type Service, withService } from "./config-text.ts";
import nodeExample from "./example/app.mjs.txt" with { type: "text" };
import pythonExample from "./example/app.py.txt" with { type: "text" };
import { findApps, type Which } from "./find-apps.ts";
import { prefersBun } from "./javascript.ts";
import { type Found, type Survey, surveyOf } from "./survey.ts";

/** What the person says about the app; the rest is found out. */
export interface Wishes {
  readonly name?: string;
  readonly command?: string;
  readonly health?: string;
  /** The port that the command has in it, in whose place ten gives one. */
  readonly port?: number;
}

export interface Scaffold {
  readonly services: readonly Service[];
  /** File name to text: tenement.toml, and the example app where the directory has nothing. */
  readonly files: ReadonlyMap<string, string>;
}

/** What was written, and where. */
export interface Written {
  readonly services: readonly Service[];
  /** The tenement.toml, absolute. */
  readonly config: string;
  /** Files that are new, and those that have got something more; relative to `directory`. */
  readonly files: readonly string[];
  readonly changed: readonly string[];
}

/** What to write; pure. Throws a `usage` fault where there are files and no app that is known. */
export function planScaffold(survey: Survey, wishes: Wishes = {}): Scaffold {
  const services = servicesOf(survey, wishes);
  if (services.length > 0) return { services, files: new Map([[CONFIG_NAME, configText(services)]]) };
  const strangers = survey.list(".").filter(({ name }) => !/^(\.|README|LICEN[CS]E|COPYING)/i.test(name));
  const declared = strangers.filter(({ name }) =>
    /^(package|requirements|pyproject|bun\.lock|bunfig)/.test(name),
  );
  if (strangers.length > declared.length)
    throw unknownApp(
      survey,
      strangers.map(({ name }) => name),
    );
  const runtime = exampleRuntime(survey);
  const [file, text] = runtime === "python3" ? ["app.py", pythonExample] : ["app.mjs", nodeExample];
  const service: Service = {
    name: wishes.name ?? serviceName(survey.name),
    workdir: undefined,
    found: { what: `an example (${file})`, command: `${runtime} ${file}`, health: "/health" },
    envFile: undefined,
  };
  return {
    services: [service],
    files: new Map([
      [file, text],
      [CONFIG_NAME, configText([service])],
    ]),
  };
}

/** The apps that files of the directory declare; else those one below it, each with its directory; else what looks like one. */
function servicesOf(survey: Survey, wishes: Wishes): Service[] {
  const usual = wishes.name ?? serviceName(survey.name);
  const envFile = survey.exists(".env") ? ".env" : undefined;
  if (wishes.command !== undefined)
    return [
      service(usual, undefined, wished({ what: "your command", command: wishes.command }, wishes), envFile),
    ];
  const here = (which: Which) =>
    findApps(survey, which).map((found, at) =>
      at === 0
        ? service(wishes.name ?? found.name ?? usual, undefined, wished(found, wishes), envFile)
        : service(found.name ?? usual, undefined, found, envFile),
    );
  const declared = unique(here("declared"));
  if (declared.length > 0) return declared;
  const below = unique(servicesBelow(survey, envFile));
  // One directory with a site is this app's own, several with apps are apps.
  if (below.length > 1) return below;
  const guessed = unique(here("guessed"));
  return guessed.length > 0 ? guessed : below;
}

function servicesBelow(survey: Survey, envFile: string | undefined): Service[] {
  return survey
    .list(".")
    .filter(({ name, isDirectory }) => isDirectory && /^[\w-][\w.-]*$/.test(name) && name !== "node_modules")
    .flatMap(({ name }) => {
      const inner = within(survey, name);
      const [found] = [...findApps(inner, "declared"), ...findApps(inner, "site")];
      const innerEnv = inner.exists(".env") ? `${name}/.env` : envFile;
      return found === undefined ? [] : [service(serviceName(name), name, found, innerEnv)];
    });
}

function service(
  name: string,
  workdir: string | undefined,
  found: Found,
  envFile: string | undefined,
): Service {
  return { name, workdir, found, envFile };
}

/** With what the person says in place of what was found. */
function wished(found: Found, { health, port }: Wishes): Found {
  const replaced =
    port === undefined ? found.command : found.command.replaceAll(new RegExp(`\\b${port}\\b`, "g"), "{port}");
  const notes =
    port !== undefined && !replaced.includes("{port}")
      ? [`${port} is not in the command: the app has to listen on PORT, which ten sets`]
      : [];
  return {
    ...found,
    command: replaced,
    ...(health && { health }),
    notes: [...(found.notes ?? []), ...notes],
  };
}

function unique(services: readonly Service[]): Service[] {
  return services.filter(({ name }, at) => services.findIndex((one) => one.name === name) === at);
}

function within(survey: Survey, directory: string): Survey {
  const at = (path: string) => (path === "." ? directory : `${directory}/${path}`);
  return {
    ...survey,
    name: directory,
    exists: (path) => survey.exists(at(path)),
    read: (path) => survey.read(at(path)),
    list: (path) => survey.list(at(path)),
    isExecutable: (path) => survey.isExecutable(at(path)),
  };
}

function unknownApp({ name }: Survey, names: readonly string[]): Fault {
  const some = names.slice(0, 5).join(", ") + (names.length > 5 ? ", ..." : "");
  return new Fault(
    "usage",
    `no app that ten knows is in ${quote(name)} (${some})`,
    "say how it is started: ten init --command './server --port {port}'",
  );
}

function exampleRuntime(survey: Survey): "python3" | "node" | "bun" {
  if (survey.exists("package.json") || prefersBun(survey)) return prefersBun(survey) ? "bun" : "node";
  if (survey.exists("requirements.txt") || survey.exists("pyproject.toml")) return "python3";
  return (["node", "bun", "python3"] as const).find((program) => survey.has(program)) ?? "python3";
}

/** The directory's name where it can be one, else `app`. */
function serviceName(directory: string): string {
  const name = directory.toLowerCase().replace(/[^a-z0-9-]+/g, "-");
  return isService(name) ? name : "app";
}

/**
 * Writes what `planScaffold` says into `directory`, which is made if it is missing; files that exist are left alone. Below
 * another tenement.toml the services are added to that one. Throws a `conflict` fault when there is a tenement.toml already.
 */
export function scaffold(
  directory: string,
  { path, own, wishes = {} }: { readonly path: string; readonly own: string; readonly wishes?: Wishes },
): Written {
  const file = join(directory, CONFIG_NAME);
  if (existsSync(file)) throw existing(file);
  try {
    mkdirSync(directory, { recursive: true });
    const plan = planScaffold(surveyOf(directory, path, own), wishes);
    const above = configAbove(directory);
    return above === undefined ? writeNew(directory, plan) : addTo(above, directory, plan);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault(
      "conflict",
      `cannot write into ${quote(directory)}: ${messageOf(error)}`,
      "choose another directory",
    );
  }
}

function existing(file: string): Fault {
  const names = /^\[service\.([\w-]+)\]/m.exec(readFileSync(file, "utf8"))?.[1];
  const hint = `edit it: one more app is one more [service.NAME]${names === undefined ? "" : ` beside [service.${names}]`}; or ten init in a directory below it`;
  return new Fault("conflict", `${file} exists already`, hint);
}

function writeNew(directory: string, { services, files }: Scaffold): Written {
  for (const [name, text] of files) writeFileSync(join(directory, name), text, { flag: "wx" });
  const secret = services.some(({ envFile }) => envFile !== undefined);
  const ignored = secret ? ignore(directory, ".env") : false;
  return {
    services,
    config: resolve(directory, CONFIG_NAME),
    files: [...files.keys()],
    changed: ignored ? [".gitignore"] : [],
  };
}

/** A file with secrets belongs into no repository. Answers whether a line was added. */
function ignore(directory: string, name: string): boolean {
  const file = join(directory, ".gitignore");
  const isRepository = existsSync(file) || existsSync(join(directory, ".git"));
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  if (!isRepository || text.split(/\r?\n/).some((line) => line.trim().replace(/^\//, "") === name))
    return false;
  writeAtomic(file, `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${name}\n`, 0o644);
  return true;
}

function configAbove(directory: string): string | undefined {
  try {
    return findConfig(dirname(resolve(directory)), undefined);
  } catch {
    return undefined;
  }
}

/** The services go to the end of the file, and are only written when the whole of it is right. */
function addTo(config: string, directory: string, { services, files }: Scaffold): Written {
  const text = readFileSync(config, "utf8");
  const below = relative(dirname(config), resolve(directory));
  const added = services.map((one) => ({
    ...one,
    workdir: one.workdir === undefined ? below : `${below}/${one.workdir}`,
    envFile: one.envFile && `${below}/${one.envFile}`,
  }));
  const whole = added.reduce(withService, text);
  try {
    parseConfig(whole, config);
  } catch (thrown) {
    throw new Fault(
      "conflict",
      `cannot add to ${config}: ${messageOf(thrown)}`,
      "correct that first, or give the service another name with --name",
    );
  }
  const others = [...files].filter(([name]) => name !== CONFIG_NAME);
  for (const [name, example] of others) writeFileSync(join(directory, name), example, { flag: "wx" });
  writeAtomic(config, whole, statSync(config).mode & 0o777);
  return {
    services: added,
    config,
    files: others.map(([name]) => name),
    changed: [relative(resolve(directory), config)],
  };
}
