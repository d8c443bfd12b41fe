// `ten init`: writes a tenement.toml that works as it is, or adds the app to the one above.
import { realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { maybeWord, number, option } from "../../cli/argument.ts";
import { command } from "../../cli/command.ts";
import { executableWords } from "../../platform/executable.ts";
import { scaffold, type Written } from "../init/scaffold.ts";
import { commandWord } from "../init/survey.ts";
import { readService } from "./arguments.ts";

export default command({
  name: "init",
  summary: "Write a tenement.toml that works as it is",
  description:
    "Finds the app that the directory holds: a Procfile, pm2's ecosystem, Node, Next, Vite, Deno, Bun, FastAPI, Flask, Django, Rails, Rack, Laravel, PHP, Go, Rust, a jar, .NET, a Dockerfile's CMD, a static site, an executable; or one in each directory below. An empty directory gets a tiny example. Below another tenement.toml it adds a service to that. Never overwrites a file.",
  examples: [
    ["ten init", "in the directory of your app; then: ten serve"],
    ["ten init api", "the app in ./api"],
    [
      "ten init --name api --command './server --port {port}' --health /health",
      "an app that ten does not know",
    ],
    ["ten init --command 'npx serve -l 3000' --port 3000", "3000 in the command becomes {port}"],
  ],
  args: {
    directory: maybeWord("Where; here unless given", { hint: "directory" }),
    name: option("The service's name; that of the directory unless given", {
      hint: "NAME",
      read: readService,
    }),
    command: option("How the app is started", { hint: "LINE" }),
    health: option("The path that says that it is well", { hint: "PATH" }),
    port: number("The port in the command, in whose place ten gives one", { min: 1, max: 65_535 }),
  },
  run({ args, out, env }) {
    const { directory = ".", ...wishes } = args;
    const given = Object.fromEntries(Object.entries(wishes).filter(([, value]) => value !== undefined));
    const written = scaffold(directory, {
      path: env.PATH ?? "",
      own: ownName(env.PATH ?? ""),
      wishes: given,
    });
    const { services, files, changed } = written;
    out.data({ service: services[0]?.name, command: services[0]?.found.command, ...report(written) }, () =>
      [
        ...services.map(
          ({ name, found }) =>
            `${name}: ${found.what}: ${[found.command, ...(found.args ?? [])].join(" ")}\n`,
        ),
        ...files.map((file) => `wrote ${join(directory, file)}\n`),
        ...changed.map((file) => `changed ${join(directory, file)}\n`),
      ].join(""),
    );
    for (const { found, envFile } of services) {
      for (const note of found.notes ?? []) out.info(note);
      if (envFile !== undefined && isOpen(join(directory, ".env")))
        out.warn(
          `others may read ${join(directory, ".env")}, and then no instance starts: chmod 600 ${join(directory, ".env")}`,
        );
    }
    const [{ name } = { name: "" }] = services;
    const isAdded = !files.includes("tenement.toml");
    const where = directory === "." ? "" : `cd ${directory} && `;
    if (isAdded) out.hint(`where ten serve runs: ten reload; then open http://${name}.localhost:8080`);
    else out.hint(`start it with: ${where}ten serve; then open http://${name}.localhost:8080`);
    return 0;
  },
});

function report({ services, config, files, changed }: Written) {
  const shown = services.map(({ name, workdir, found }) => {
    const { what, command: line, args = [], notes = [] } = found;
    return { name, what, command: line, args, workdir: workdir ?? ".", notes };
  });
  return { services: shown, config, files, changed };
}

/** `ten`, where that is this very executable to who starts apps; else its path. */
function ownName(path: string): string {
  const [program, ...more] = executableWords();
  const found = Bun.which("ten", { PATH: path });
  const isSame = found !== null && more.length === 0 && realpathSync(found) === realpathSync(program);
  return isSame ? "ten" : [program, ...more].map(commandWord).join(" ");
}

function isOpen(file: string): boolean {
  return ((statSync(file, { throwIfNoEntry: false })?.mode ?? 0) & 0o077) !== 0;
}
