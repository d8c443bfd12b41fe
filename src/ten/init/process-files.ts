// Files that say how an app is run: a Procfile, a pm2 ecosystem, a Dockerfile.
import { isService } from "../../core/name.ts";
import { splitWords } from "../../core/shell-words.ts";
import { type Found, type Survey, withoutPlaceholders } from "./survey.ts";

/** Heroku, foreman, Dokku: `web` is the app, `release` runs before it, others have no port: workers. */
export function findProcfile(survey: Survey): readonly Found[] {
  const lines = survey.read("Procfile").matchAll(/^([\w-]+):\s*(\S.*)$/gm);
  const processes = new Map(Array.from(lines, ([, name = "", line = ""]) => [name, line.trim()]));
  const web = processes.get("web");
  if (web === undefined) return [];
  const release = processes.get("release");
  const others = [...processes].filter(([name]) => name !== "web" && name !== "release");
  return [
    {
      what: "a Procfile",
      ...commandOf(web),
      ...(release !== undefined && { beforeStart: oneLine(release) }),
      notes: others
        .filter(([name]) => !isService(name))
        .map(([name]) => `its process ${name} has no name that a service can have, and is not in the file`),
    },
    ...others
      .filter(([name]) => isService(name))
      .map(([name, line]) => ({
        what: "a worker of the Procfile",
        name,
        ...commandOf(line),
        isWorker: true,
      })),
  ];
}

/** pm2's ecosystem.config.js is code: its literals are read, nothing is run. */
export function findPm2(survey: Survey): readonly Found[] {
  const file = [
    "ecosystem.config.js",
    "ecosystem.config.cjs",
    "ecosystem.json",
    "process.json",
    "pm2.json",
  ].find(survey.exists);
  if (file === undefined) return [];
  const text = survey.read(file);
  const literal = (part: string, key: string) =>
    new RegExp(`["']?\\b${key}["']?\\s*:\\s*(["'\`])(.*?)\\1`).exec(part)?.[2];
  // One part for each app: from its name, or else its script, to the next.
  const parts = text.split(/(?=\{\s*(?:\/\/.*\n\s*)*["']?(?:name|script)["']?\s*:)/).slice(1);
  return parts.flatMap((part) => {
    const script = literal(part, "script");
    if (script === undefined) return [];
    const interpreter = literal(part, "interpreter");
    const args = literal(part, "args");
    const runtime = interpreter === "none" ? undefined : (interpreter ?? runtimeOf(script));
    const program =
      runtime === undefined && survey.isExecutable(script) ? `./${script.replace(/^\.\//, "")}` : script;
    const command = [runtime, program, args].filter(Boolean).join(" ");
    const name = literal(part, "name")?.toLowerCase();
    return [{ what: `an app of ${file}`, command, ...(name !== undefined && isService(name) && { name }) }];
  });
}

function runtimeOf(script: string): string | undefined {
  if (/\.[cm]?js$/.test(script)) return "node";
  if (/\.[cm]?ts$/.test(script)) return "bun";
  if (script.endsWith(".py")) return "python3";
  if (script.endsWith(".rb")) return "ruby";
  return undefined;
}

/** CMD and ENTRYPOINT, where what they start is here and not in the image alone; EXPOSE names the port that is ours to give. */
export function findDockerfile(survey: Survey): readonly Found[] {
  const text = survey.read("Dockerfile").replace(/\\\r?\n/g, " ");
  const last = (instruction: string) =>
    Array.from(text.matchAll(new RegExp(`^\\s*${instruction}\\s+(.+)$`, "gim")), ([, line = ""]) =>
      line.trim(),
    ).at(-1);
  const ports = /^\s*EXPOSE\s+(\d+)/im.exec(text)?.[1];
  const [entrypoint, cmd] = [last("ENTRYPOINT"), last("CMD")];
  if (entrypoint === undefined && cmd === undefined) return [];
  const parts = [entrypoint, cmd].map(execForm);
  const line = parts.every((words) => words !== undefined)
    ? parts
        .flatMap((words) => words ?? [])
        .map(quoted)
        .join(" ")
    : (cmd ?? entrypoint ?? "");
  const command = ports === undefined ? line : line.replaceAll(new RegExp(`\\b${ports}\\b`, "g"), "$PORT");
  const program = command.split(" ", 1)[0] ?? "";
  const isHere = survey.has(program) || (!program.startsWith("/") && survey.exists(program));
  if (!isHere) return [];
  const found = commandOf(command);
  const isGiven = [found.command, ...(found.args ?? [])].join(" ").match(/\{port\}|\$\{?PORT/);
  const note =
    ports !== undefined && !isGiven
      ? [`it listens on ${ports} in its image: it has to listen on PORT here`]
      : [];
  return [{ what: "a Dockerfile", ...found, notes: note }];
}

/** The words of `["node", "server.js"]`; none of nothing, undefined for a line that a shell would run. */
function execForm(text: string | undefined): readonly string[] | undefined {
  if (text === undefined) return [];
  try {
    const words: unknown = JSON.parse(text);
    return Array.isArray(words) ? words.map(String) : undefined;
  } catch {
    return undefined;
  }
}

function quoted(word: string): string {
  return /^[\w./:=@%+,$-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** A line that a shell would run: by itself where it needs none, else by one. It listens for the proxy alone. */
function commandOf(line: string): Pick<Found, "command" | "args"> {
  const loopback = line.replace(/\b0\.0\.0\.0\b/g, "127.0.0.1");
  const literal = withoutPlaceholders(loopback);
  const command = literal.replace(/\$PORT\b|\$\{PORT(?::-?\d+)?\}/g, "{port}");
  try {
    splitWords(command);
    return { command };
  } catch {
    return { command: "sh", args: ["-c", /[;&|]/.test(literal) ? literal : `exec ${literal}`] };
  }
}

function oneLine(line: string): string {
  const { command, args } = commandOf(line);
  return args === undefined ? command : [command, ...args.map(quoted)].join(" ");
}
