// Help as text: of a program, a group of commands, or one command, always in the same order.
import type { Arg, Args } from "./argument.ts";
import { type Command, type Commands, isGroup, labelOf, type Program } from "./command.ts";
import { type Found, globalArgs } from "./find.ts";
import type { Paint } from "./output.ts";

const LINE_CHARS = 90;

type Row = readonly [term: string, explanation: string];

/** The help for what was found; loads the commands whose summaries it shows. */
export async function helpFor(program: Program, { entry, what }: Found, paint: Paint): Promise<string> {
  const heading = (text: string) => paint("bold", text);
  if (entry && !isGroup(entry)) return commandHelp(entry, what, heading, program);
  const sections = entry ? { Commands: entry.commands } : program.sections;
  const listed = await Promise.all(
    Object.entries(sections).map(async ([title, commands]) =>
      section(heading(title), await summaries(commands)),
    ),
  );
  const first = entry ? sentence(entry.summary) : `${program.name} ${program.version}: ${program.summary}`;
  const flags = section(heading("Flags, before or after the command"), [
    ...flagRows(globalArgs(program)),
    ["    --version", "Show the version"],
  ]);
  const explained = `${what} COMMAND --help explains a command and shows examples.`;
  const last = [entry ? undefined : program.firstSteps, explained].filter(Boolean).join("\n");
  return layout([first, `${heading("Usage")}\n  ${what} COMMAND [...]`, ...listed, entry ? "" : flags, last]);
}

function commandHelp(
  command: Command,
  what: string,
  heading: (text: string) => string,
  program: Program,
): string {
  const places = Object.entries(command.args).filter(([, arg]) => arg.type === "positional");
  const globals = Object.entries(globalArgs(program)).map(([name, arg]) => labelOf(name, arg));
  const examples = command.examples.map(([line, why]) => `  ${line}\n      ${why}\n`);
  return layout([
    sentence(command.summary),
    `${heading("Usage")}\n  ${fill(usage(command, what)).join("\n      ")}`,
    fill((command.description ?? "").split(" ")).join("\n"),
    section(
      heading("Arguments"),
      places.map(([name, arg]): Row => [placeName(name, arg), explain(arg)]),
    ),
    section(heading("Flags"), flagRows(command.args)),
    `${heading("Global flags")}\n  ${globals.join(" ")} (see ${program.name} --help)`,
    `${heading("Examples")}
${examples.join("").replaceAll("{program}", program.name)}`,
  ]);
}

/** The parts of the usage line, each to stay in one piece. */
function usage({ args }: Command, what: string): string[] {
  const words = Object.entries(args)
    .filter(([, arg]) => arg.type === "positional")
    .map(([name, arg]) => (arg.required ? placeName(name, arg) : `[${placeName(name, arg)}]`));
  const flags = Object.entries(args)
    .filter(([, arg]) => arg.type !== "positional")
    .map(([name, arg]) => `[${withValue(labelOf(name, arg), arg)}]`);
  return [what, ...words, ...flags];
}

async function summaries(commands: Commands): Promise<Row[]> {
  return Promise.all(
    Object.entries(commands).map(
      async ([name, load]): Promise<Row> => [name, (await load()).default.summary],
    ),
  );
}

function flagRows(args: Args): Row[] {
  return Object.entries(args)
    .filter(([, arg]) => arg.type !== "positional")
    .map(([name, arg]) => [
      `${arg.letter ? `-${arg.letter}, ` : "    "}${withValue(labelOf(name, arg), arg)}`,
      explain(arg),
    ]);
}

function placeName(name: string, arg: Arg<unknown>): string {
  return `${arg.valueHint ?? name.toUpperCase()}${arg.many ? "..." : ""}`;
}

function withValue(label: string, arg: Arg<unknown>): string {
  return arg.type === "string" ? `${label} ${arg.valueHint ?? "VALUE"}` : label;
}

function explain({ description, fallback }: Arg<unknown>): string {
  return fallback === undefined ? description : `${description} (default ${fallback})`;
}

function section(title: string, rows: readonly Row[]): string {
  if (rows.length === 0) return "";
  const width = Math.max(...rows.map(([term]) => term.length));
  return [title, ...rows.map(([term, text]) => `  ${term.padEnd(width)}   ${text}`.trimEnd())].join("\n");
}

/** Units joined to lines short enough to read; the same on every terminal and in a pipe. */
function fill(units: readonly string[]): string[] {
  const lines: string[] = [];
  for (const unit of units) {
    const longer = `${lines.at(-1) ?? ""} ${unit}`;
    if (lines.length > 0 && longer.length <= LINE_CHARS) lines[lines.length - 1] = longer;
    else lines.push(unit);
  }
  return lines;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function layout(parts: readonly string[]): string {
  return `${parts
    .filter((part) => part !== "")
    .map((part) => part.trimEnd())
    .join("\n\n")}\n`;
}
