// What `ten init` writes: a tenement.toml for the app that a directory holds, or for a tiny example beside it.
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { Fault, messageOf } from "../../core/fault.ts";
import { isService } from "../../core/name.ts";
import { quote } from "../../core/quote.ts";
import { splitWords } from "../../core/shell-words.ts";
import { CONFIG_NAME } from "./config.ts";
import nodeExample from "./example/app.mjs.txt" with { type: "text" };
import pythonExample from "./example/app.py.txt" with { type: "text" };

/** What there is in the directory and on the machine. */
export interface Survey {
  /** The directory's own name. */
  readonly name: string;
  /** The names of its plain files, and of those that may be executed. */
  readonly files: ReadonlySet<string>;
  readonly executables: readonly string[];
  /** `scripts.start` of its package.json. */
  readonly startScript: string | undefined;
  /** Its Procfile. */
  readonly procfile: string | undefined;
  /** Whether a program is in PATH. */
  has(program: string): boolean;
}

export interface Scaffold {
  readonly service: string;
  readonly command: string;
  /** File name to text: tenement.toml, and the example app where the directory has none. */
  readonly files: ReadonlyMap<string, string>;
  /** The directory holds files, but nothing that is known to be an app: the example is hardly what was wanted. */
  readonly unrecognised: boolean;
}

/** Entry points by habit, the first that exists wins; what follows is what runs it. */
const ENTRIES: readonly (readonly [file: string, runtime: "python3" | "node" | "bun"])[] = [
  ...(["app.py", "main.py", "server.py"] as const).map((file) => [file, "python3"] as const),
  ...(["server.mjs", "app.mjs", "index.mjs", "server.js", "app.js", "index.js"] as const).map(
    (file) => [file, "node"] as const,
  ),
  ...(["server.ts", "app.ts", "index.ts"] as const).map((file) => [file, "bun"] as const),
];

/** What to write; pure. An app that is found is used as it is, else an example in the language of the directory is added. */
export function planScaffold(survey: Survey): Scaffold {
  const service = serviceName(survey.name);
  const found = foundCommand(survey);
  if (found !== undefined) {
    const files = new Map([[CONFIG_NAME, configText(service, found, false)]]);
    return { service, command: found, files, unrecognised: false };
  }
  const runtime = exampleRuntime(survey);
  const [file, text] = runtime === "python3" ? ["app.py", pythonExample] : ["app.mjs", nodeExample];
  const command = `${runtime} ${file}`;
  const files = new Map([
    [file, text],
    [CONFIG_NAME, configText(service, command, true)],
  ]);
  return { service, command, files, unrecognised: survey.files.size > 0 };
}

function foundCommand({ files, executables, startScript, procfile, has }: Survey): string | undefined {
  const web = webProcess(procfile);
  if (web !== undefined) return web;
  const bun = prefersBun(files);
  if (startScript !== undefined) return bun ? "bun run start" : "npm start";
  const entry = ENTRIES.find(([file]) => files.has(file));
  if (entry !== undefined) {
    const [file, runtime] = entry;
    const other = runtime === "node" && (bun || !has("node")) ? "bun" : runtime;
    return `${other} ${file}`;
  }
  const [program, ...others] = executables;
  return program !== undefined && others.length === 0 && /^[\w.-]+$/.test(program)
    ? `./${program}`
    : undefined;
}

/** The `web` of a Procfile, if it needs no shell but for its port. */
function webProcess(procfile: string | undefined): string | undefined {
  const line = /^web:\s*(\S.*)/m.exec(procfile ?? "")?.[1]?.trim();
  // A word in braces of its own is text, not a placeholder.
  const command = line?.replace(/\$PORT\b|\$\{PORT\}|(?<!\$)\{[A-Za-z_][\w-]*\}/g, (part) =>
    part.startsWith("$") ? "{port}" : `{${part}}`,
  );
  try {
    if (command !== undefined) splitWords(command);
    return command;
  } catch {
    return undefined;
  }
}

function prefersBun(files: ReadonlySet<string>): boolean {
  return files.has("bun.lock") || files.has("bun.lockb") || files.has("bunfig.toml");
}

function exampleRuntime({ files, has }: Survey): "python3" | "node" | "bun" {
  if (files.has("package.json")) return prefersBun(files) ? "bun" : "node";
  if (files.has("requirements.txt") || files.has("pyproject.toml")) return "python3";
  return (["node", "bun", "python3"] as const).find((program) => has(program)) ?? "python3";
}

/** The directory's name where it can be one, else `app`. */
function serviceName(directory: string): string {
  const name = directory.toLowerCase().replace(/[^a-z0-9-]+/g, "-");
  return isService(name) ? name : "app";
}

function configText(service: string, command: string, hasHealth: boolean): string {
  return `# What ten runs here. Start it with: ten serve
# All keys with what they are set to: ten config

[service.${service}]
# Split into words as a shell does, but no shell runs it. {port} is a free port, which the app also finds in PORT.
# Others: {version} {id} {name} {data_dir} {instance_dir} {shared_dir}
command = ${JSON.stringify(command)}
# Each version in a directory of its own:
# workdir = "releases/{version}"
${hasHealth ? "" : "# Without it, an instance is healthy when it accepts connections:\n# "}health = "/health"
# domains = ["app.example.com"]

[service.${service}.env]
# DATABASE_PATH = "{shared_dir}/app.db"   # one for all versions; {instance_dir} is one for each instance

[instances]
${service} = ["v1"]   # started once, the first time

# [routing]
# default = "${service}"   # what answers at the server's own address
`;
}

/**
 * Writes what `planScaffold` says into `directory`, which is made if it is missing; files that exist are left alone.
 * `path` is PATH. Throws a `conflict` fault when there is a tenement.toml already.
 */
export function scaffold(directory: string, path: string): Scaffold {
  const file = join(directory, CONFIG_NAME);
  if (existsSync(file)) throw new Fault("conflict", `${file} exists already`, "edit it, or remove it first");
  try {
    mkdirSync(directory, { recursive: true });
    const plan = planScaffold(survey(directory, path));
    for (const [name, text] of plan.files) writeFileSync(join(directory, name), text, { flag: "wx" });
    return plan;
  } catch (error) {
    throw new Fault(
      "conflict",
      `cannot write into ${quote(directory)}: ${messageOf(error)}`,
      "choose another directory",
    );
  }
}

function survey(directory: string, path: string): Survey {
  const plain = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isFile());
  const files = plain.map((entry) => entry.name);
  return {
    name: basename(directory),
    files: new Set(files),
    executables: files.filter((name) => isExecutable(join(directory, name))),
    startScript: startScript(join(directory, "package.json")),
    procfile: files.includes("Procfile") ? readFileSync(join(directory, "Procfile"), "utf8") : undefined,
    has: (program) => Bun.which(program, { PATH: path }) !== null,
  };
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A package.json that is missing or cannot be read has no start script. */
function startScript(file: string): string | undefined {
  try {
    const start: unknown = JSON.parse(readFileSync(file, "utf8")).scripts?.start;
    return typeof start === "string" ? start : undefined;
  } catch {
    return undefined;
  }
}
