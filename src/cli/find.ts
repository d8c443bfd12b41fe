// Which command a line of words means: the walk down a program's tree, loading only the files on the way.

import { advice } from "../core/did-you-mean.ts";
import { Fault } from "../core/fault.ts";
import { quote } from "../core/quote.ts";
import type { Environment } from "../platform/environment.ts";
import { type Args, flag, option } from "./argument.ts";
import {
  type Command,
  type Commands,
  type Globals,
  type Group,
  isGroup,
  labelOf,
  type Program,
} from "./command.ts";
import type { Checked } from "./strict.ts";

/** What was found, and the words that are left: global flags stay among them, wherever they were. */
export interface Found {
  /** Nothing for the program itself. */
  readonly entry: Command | Group | undefined;
  /** How it is called in messages, `slum server add`. */
  readonly what: string;
  readonly rest: readonly string[];
}

/** The flags that every command of the program takes. */
export function globalArgs({ globals }: Program): Args {
  const options = Object.entries(globals).map(([name, { description, hint, variable }]) => [
    name,
    option(`${description} (${variable})`, { hint }),
  ]);
  return {
    ...Object.fromEntries(options),
    json: flag("Print JSON and nothing else"),
    help: flag("Show how it is used", { letter: "h" }),
  };
}

/** The values of the global options: flags win over the environment. */
export function readGlobals({ globals }: Program, options: Checked["options"], env: Environment): Globals {
  const given = (name: keyof Program["globals"]) => {
    const variable = globals[name]?.variable;
    return options.get(name)?.[0] ?? (variable === undefined ? undefined : env[variable]);
  };
  // What stands on the command line goes before the environment, whichever of the two it is.
  const isFileSaid = options.has("tokenFile") && !options.has("token");
  const token = isFileSaid ? undefined : given("token");
  return {
    server: given("server"),
    token,
    tokenFile: token === undefined ? given("tokenFile") : undefined,
    dataDir: given("dataDir"),
    config: given("config"),
    json: options.has("json"),
  };
}

/** All commands of a program by name, but for hidden ones. */
export function commandsOf({ sections }: Program): Commands {
  return Object.assign({}, ...Object.values(sections));
}

/** Walks as far as the words are names of commands; an unknown one is a `usage` fault. */
export async function find(program: Program, argv: readonly string[]): Promise<Found> {
  const globals = globalArgs(program);
  let commands: Commands | undefined = commandsOf(program);
  let entry: Command | Group | undefined;
  let what = program.name;
  const flags: string[] = [];
  let rest = argv;
  while (commands) {
    const start = firstWord(rest, globals);
    const name = rest[start];
    flags.push(...rest.slice(0, start));
    rest = rest.slice(start);
    if (name === undefined) break;
    const load: Commands[string] | undefined =
      named(commands, name) ?? (entry ? undefined : named(program.hidden ?? {}, name));
    if (!load) {
      const elsewhere = entry && isGroup(entry) ? entry.elsewhere : program.elsewhere?.commands;
      const answer = named(elsewhere ?? {}, name)
        ?.replaceAll(/ *\{rest\}/g, ["", ...rest.slice(1)].join(" "))
        .trim();
      throw unknownCommand(what, name, Object.keys(commands), entry ? [] : ["--version"], answer);
    }
    entry = (await load()).default;
    commands = isGroup(entry) ? entry.commands : undefined;
    what = `${what} ${name}`;
    rest = rest.slice(1);
  }
  return { entry, what, rest: [...flags, ...rest] };
}

function named<V>(table: Readonly<Record<string, V>>, name: string): V | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

function unknownCommand(
  what: string,
  name: string,
  known: readonly string[],
  flags: readonly string[],
  answer: string | undefined,
): Fault {
  const hint = answer ?? advice(name, [...known, ...flags], `${what} --help lists all`);
  return new Fault("usage", `${what} has no command ${quote(name)}`, hint);
}

/** Where the first word is that is neither a flag nor the value of a global one. */
function firstWord(argv: readonly string[], globals: Args): number {
  const takesValue = new Set(
    Object.entries(globals)
      .filter(([, arg]) => arg.type === "string")
      .map(([name, arg]) => labelOf(name, arg)),
  );
  let index = 0;
  while (index < argv.length) {
    const text = argv[index] ?? "";
    if (!text.startsWith("-")) return index;
    index += takesValue.has(text) ? 2 : 1;
  }
  return argv.length;
}
