// The shape in which a command is written, and how commands hang together in a program.
import { type CommandDef, defineCommand } from "citty";
import type { Environment } from "../platform/environment.ts";
import type { Arg, Args, Values } from "./argument.ts";
import type { Output } from "./output.ts";

/** The flags that every command of a program takes, before or after the command; flags win over the environment. */
export interface Globals {
  readonly server: string | undefined;
  readonly token: string | undefined;
  /** The file that the token is in; undefined where `token` goes before it. */
  readonly tokenFile: string | undefined;
  readonly dataDir: string | undefined;
  readonly config: string | undefined;
  readonly json: boolean;
}

/** What a running command has in its hands. */
export interface Context {
  readonly globals: Globals;
  readonly out: Output;
  readonly env: Environment;
  /** All words behind the program's name, as they were written. */
  readonly argv: readonly string[];
  /** Fires at the first SIGINT or SIGTERM, and when nobody reads stdout any more. Its reason is a Fault: throw it on. */
  readonly signal: AbortSignal;
  /** The program that the command belongs to: what help and completion are about. */
  readonly program: Program;
}

export interface CommandSpec<A extends Args> {
  readonly name: string;
  /** One line without a final dot, for the list of commands. */
  readonly summary: string;
  /** Paragraphs below the usage line, where the summary is not enough. */
  readonly description?: string;
  /** Command lines and what each does, at least one; `{program}` stands for the name where both programs have the command. */
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** In the order of the words on the command line. */
  readonly args: A;
  /** The words as they are meant, where people write them in another way that has one meaning; may throw a Fault with the right line. */
  readonly reword?: (words: readonly string[]) => readonly string[];
  /** The command listens for signals itself, as a server does; then `signal` fires only for a closed stdout. */
  readonly ownSignals?: boolean;
  /** Throws a Fault for every error that the person can act on; what it answers is the exit code, 0 unless given. */
  readonly run: (
    context: Context & { readonly args: Values<A> },
  ) => Promise<number | undefined> | number | undefined;
}

/** A command that can be found, explained and run. */
export interface Command extends Omit<CommandSpec<Args>, "run"> {
  /** What citty runs, with the context and the values of the arguments as its data. */
  readonly citty: CommandDef;
}

/** A command that only holds others, `server` of `slum server add`. */
export interface Group {
  readonly name: string;
  readonly summary: string;
  readonly commands: Commands;
  /** Names that other tools have for its commands, with ours. */
  readonly elsewhere?: Elsewhere;
}

/** What other tools call it, and what to write here: `{rest}` stands for the words behind it. */
export type Elsewhere = Readonly<Record<string, string>>;

/** Loads a command's file when it is asked for and not before: `--version` loads none. */
export type Commands = Readonly<Record<string, () => Promise<{ readonly default: Command | Group }>>>;

export interface Program {
  readonly name: string;
  readonly version: string;
  readonly summary: string;
  /** What a newcomer runs first, in a sentence for the end of the help. */
  readonly firstSteps?: string;
  /** Commands under the headings that help groups them by, in this order. */
  readonly sections: Readonly<Record<string, Commands>>;
  /** Commands that the program starts itself: neither help nor completion knows them. */
  readonly hidden?: Commands;
  /** Commands and flags of other tools, with the answer to each. */
  readonly elsewhere?: { readonly commands: Elsewhere; readonly flags: Elsewhere };
  /** What may stand for a command and is another program, with what it is: completion offers it. */
  readonly beside?: Readonly<Record<string, string>>;
  /** Looks up what a running server knows by name, for arguments that say so. */
  readonly names?: () => Promise<{ readonly names: Readonly<Record<string, Lookup>> }>;
  /** The global options that this program has, with the environment variable of each. */
  readonly globals: Readonly<Partial<Record<Exclude<keyof Globals, "json">, GlobalOption>>>;
}

/** Rejects, for whatever reason, where nothing can be found; then nothing is offered. */
export type Lookup = (asking: Asking) => Promise<readonly Name[]>;

/** A command line that is still being written: its context, and its words so far. */
export interface Asking extends Context {
  readonly words: readonly string[];
}

export interface Name {
  readonly text: string;
  readonly about: string;
}

export interface GlobalOption {
  readonly description: string;
  readonly hint: string;
  readonly variable: string;
}

/** A command as citty runs it. The line is checked and read before, strictly and once, so citty is given no words of it. */
export function command<const A extends Args>({ run, ...spec }: CommandSpec<A>): Command {
  const citty = defineCommand({
    meta: { name: spec.name, description: spec.summary },
    run: ({ data }) => run(data as Context & { readonly args: Values<A> }),
  });
  return { ...spec, citty };
}

export function isGroup(found: Command | Group): found is Group {
  return "commands" in found;
}

/** How a person writes an argument: `--stop-old`, or a word's name. */
export function labelOf(name: string, arg: Pick<Arg<unknown>, "type">): string {
  const kebab = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return arg.type === "positional" ? kebab : `--${kebab}`;
}
