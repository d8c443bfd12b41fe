// What may follow on a command line that is still being written: commands, flags, their values, and names that a server knows.
import type { Environment } from "../platform/environment.ts";
import { type Arg, type Args, flag } from "./argument.ts";
import { type Command, type Group, isGroup, labelOf, type Name, type Program } from "./command.ts";
import { commandsOf, find, globalArgs, readGlobals } from "./find.ts";
import { createOutput } from "./output.ts";
import { type Checked, knownOptions } from "./strict.ts";

/** Says that files belong here: the shell knows them better. */
export const FILES = ":files";
/** Whoever presses Tab is not to wait: a server that has not answered by then is not there. */
const PATIENCE_MS = 60;
const SILENT = {
  write() {},
  isTty: false,
  size: () => undefined,
  closed: new AbortController().signal,
  failure: undefined,
};

/** The words before the one that is being written, taken apart as far as they go. */
interface Line {
  readonly options: Checked["options"];
  readonly words: readonly string[];
  /** An option that waits for its value. */
  readonly open: Arg<unknown> | undefined;
}

/**
 * Lines for a shell, each a word and what it means behind a tab. `argv` is all that is written after the program's name; the
 * last word is the one to complete. Never throws: a line that makes no sense so far has nothing that could follow.
 */
export async function complete(program: Program, argv: readonly string[], env: Environment): Promise<string> {
  const typed = argv.at(-1) ?? "";
  const found = await find(program, argv.slice(0, -1)).catch(() => undefined);
  if (!found) return "";
  const { entry, rest } = found;
  const names = await follow(program, entry, rest, typed, env).catch(() => []);
  return names
    .filter(({ text }) => text.startsWith(typed) || text === FILES)
    .map(({ text, about }) => `${text}\t${about.replace(/\s+/g, " ")}\n`)
    .join("");
}

async function follow(
  program: Program,
  entry: Command | Group | undefined,
  rest: readonly string[],
  typed: string,
  env: Environment,
): Promise<readonly Name[]> {
  const own = entry && !isGroup(entry) ? entry.args : entry ? {} : { version: flag("Show the version") };
  const args = { ...own, ...globalArgs(program) };
  const line = takeApart(rest, args);
  const look = (arg: Arg<unknown>, begun: string) => valuesOf(program, arg, line, begun, env);
  if (line.open) return look(line.open, typed);
  const [label, value] = typed.startsWith("--") && typed.includes("=") ? splitOnce(typed, "=") : [typed];
  if (value !== undefined) {
    const option = knownOptions(args).get(label);
    const values = option?.arg.type === "string" ? await look(option.arg, value) : [];
    return values.map(({ text, about }) => ({ text: text === FILES ? text : `${label}=${text}`, about }));
  }
  const place = Object.values(own).filter(({ type }) => type === "positional");
  const arg = place[line.words.length] ?? place.findLast(({ many }) => many);
  if (typed.startsWith("-") || (entry && !isGroup(entry) && !arg)) return flagsOf(args, line);
  if (!entry || isGroup(entry)) return commandsIn(program, entry);
  return arg ? (await look(arg, typed)).filter(({ text }) => !line.words.includes(text)) : [];
}

/** As `check` does, but of a line that is not complete. */
function takeApart(rest: readonly string[], args: Args): Line {
  const known = knownOptions(args);
  const options = new Map<string, string[]>();
  const words: string[] = [];
  let open: Arg<unknown> | undefined;
  for (let at = 0; at < rest.length; at += 1) {
    const text = rest[at] ?? "";
    const [label, inline] = splitOnce(text, "=");
    const option = known.get(label);
    if (!text.startsWith("-")) words.push(text);
    if (!option) continue;
    const takesNext = option.arg.type === "string" && inline === undefined;
    const value = takesNext ? rest[++at] : inline;
    if (takesNext && value === undefined) open = option.arg;
    options.set(option.name, [...(options.get(option.name) ?? []), value ?? ""]);
  }
  return { options, words, open };
}

function splitOnce(text: string, at: string): [string, string?] {
  const index = text.indexOf(at);
  return index < 0 ? [text] : [text.slice(0, index), text.slice(index + 1)];
}

async function commandsIn(program: Program, entry: Group | undefined): Promise<Name[]> {
  const commands = Object.entries(entry?.commands ?? commandsOf(program));
  const loaded = commands.map(async ([text, load]) => ({ text, about: (await load()).default.summary }));
  const beside = entry ? [] : Object.entries(program.beside ?? {});
  return [...(await Promise.all(loaded)), ...beside.map(([text, about]) => ({ text, about }))];
}

function flagsOf(args: Args, { options }: Line): Name[] {
  return Object.entries(args)
    .filter(([name, { type, many }]) => type !== "positional" && (many || !options.has(name)))
    .map(([name, arg]) => ({ text: labelOf(name, arg), about: arg.description }));
}

/** What an argument's value can be, as far as anybody knows; of a list, its next part. */
async function valuesOf(
  program: Program,
  { choices, names, valueHint, type, many }: Arg<unknown>,
  line: Line,
  begun: string,
  env: Environment,
): Promise<readonly Name[]> {
  if (choices) return choices.map((text) => ({ text, about: "" }));
  if (names === undefined)
    return /^(FILE|DIR|DB|directory)$/.test(valueHint ?? "") ? [{ text: FILES, about: "" }] : [];
  const parts = type === "string" && many ? begun.slice(0, begun.lastIndexOf(",") + 1) : "";
  const lookup = (await program.names?.())?.names[names];
  const found = await lookup?.({
    globals: readGlobals(program, line.options, env),
    out: createOutput({ json: false, env, stdout: SILENT, stderr: SILENT }),
    env,
    argv: [],
    signal: AbortSignal.timeout(PATIENCE_MS),
    program,
    words: line.words,
  });
  const given = parts.split(",");
  return (found ?? [])
    .filter(({ text }) => !given.includes(text))
    .map(({ text, about }) => ({ text: `${parts}${text}`, about }));
}
