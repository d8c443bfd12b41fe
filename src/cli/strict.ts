// The one reading of a command line: unknown flags, surplus words and missing values, which citty would accept, are usage faults.
import { parseArgs } from "node:util";
import { advice } from "../core/did-you-mean.ts";
import { Fault } from "../core/fault.ts";
import { quote } from "../core/quote.ts";
import type { Arg, Args, Values } from "./argument.ts";
import { type CommandSpec, type Elsewhere, labelOf } from "./command.ts";

/** What one stretch of a command line says, with every doubt removed; options by the names of their arguments. */
export interface Checked {
  /** Per option its texts in order; a flag that is given has one, empty. */
  readonly options: ReadonlyMap<string, readonly string[]>;
  readonly words: readonly string[];
}

interface Known {
  readonly name: string;
  readonly arg: Arg<unknown>;
}

/** What a line is checked against. */
export interface Expected {
  /** How the command is called in messages, `ten weight`. */
  readonly what: string;
  readonly args: Args;
  /** Flags that every command takes. */
  readonly globals: Args;
  /** A line of it that is right. */
  readonly example?: string | undefined;
  readonly reword?: CommandSpec<Args>["reword"];
  /** Flags of other tools, with the answer to each. */
  readonly elsewhere?: Elsewhere | undefined;
}

/**
 * Checks `argv`: only known flags, a value where one belongs, repetition only where `many` allows it, and as many words as
 * there are places.
 */
export function check(argv: readonly string[], expected: Expected): Checked {
  const { what, args, globals, example, reword = (words) => words, elsewhere = {} } = expected;
  const known = new Map([...knownOptions(globals), ...knownOptions(args)]);
  const { tokens } = parseArgs({
    args: [...argv],
    options: nodeOptions(known),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const options = new Map<string, string[]>();
  const words: string[] = [];
  const negative = new Set<number>();
  /** By the index of the word behind it, a list as it was written. */
  const lists = new Map<number, string>();
  for (const token of tokens) {
    if (token.kind === "positional") {
      refuseBehind(lists.get(token.index), token.value, isMissing(words.length, args), what);
      words.push(token.value);
    }
    if (token.kind !== "option" || negative.has(token.index)) continue;
    const option = known.get(token.rawName);
    const text = argv[token.index] ?? "";
    if (!option && /^-\d/.test(text)) {
      // No flag is a digit: a number below 0, which whoever reads the word refuses in its own terms.
      negative.add(token.index);
      words.push(text);
      continue;
    }
    if (!option) throw unknownFlag(token.rawName, known, what, elsewhere);
    const value = textOf(option, token.rawName, token.value, token.inlineValue);
    if (option.arg.many && !token.inlineValue) lists.set(token.index + 2, `${token.rawName} ${value}`);
    const texts = options.get(option.name) ?? [];
    if (texts.length > 0 && !option.arg.many) {
      throw new Fault("usage", `${token.rawName} is given twice`, "give it once");
    }
    options.set(option.name, [...texts, value]);
  }
  const meant = reword(words);
  checkWords(meant, args, what, example);
  return { options, words: meant };
}

/** The values that a checked line gives to `args`; each refuses what it cannot read. */
export function readValues<A extends Args>(args: A, { options, words }: Checked): Values<A> {
  let position = 0;
  const textsOf = (name: string, arg: Arg<unknown>): readonly string[] => {
    if (arg.type !== "positional") return options.get(name) ?? [];
    const start = position;
    position = arg.many ? words.length : position + 1;
    return words.slice(start, position);
  };
  const entries = Object.entries(args).map(([name, arg]) => [
    name,
    arg.read(textsOf(name, arg), labelOf(name, arg)),
  ]);
  return Object.fromEntries(entries) as Values<A>;
}

/** Options and flags by all the ways to write them, `--force` and `-f`. */
export function knownOptions(args: Args): Map<string, Known> {
  const known = new Map<string, Known>();
  for (const [name, arg] of Object.entries(args)) {
    if (arg.type === "positional") continue;
    known.set(labelOf(name, arg), { name, arg });
    if (arg.letter) known.set(`-${arg.letter}`, { name, arg });
  }
  return known;
}

function nodeOptions(known: ReadonlyMap<string, Known>) {
  const options: Record<string, { type: "boolean" | "string"; short?: string; multiple: boolean }> = {};
  for (const [label, { arg }] of known) {
    if (!label.startsWith("--")) continue;
    const type = arg.type === "boolean" ? "boolean" : "string";
    options[label.slice(2)] = { type, multiple: true, ...(arg.letter && { short: arg.letter }) };
  }
  return options;
}

function textOf(
  { arg }: Known,
  label: string,
  value: string | undefined,
  inline: boolean | undefined,
): string {
  if (arg.type === "boolean") {
    if (!inline) return "";
    const words = arg.inline ?? [];
    if (words.includes(value ?? "")) return value ?? "";
    const forms = words.map((word) => `${label}=${word}`);
    throw new Fault(
      "usage",
      words.length === 0 ? `${label} takes no value` : `${label} is ${quote(value ?? "")}`,
      ["write", [`${label}${words.length === 0 ? " alone" : ""}`, ...forms].join(" or ")].join(" "),
    );
  }
  // The next word was taken for the value; one that looks like a flag is far more likely to be the next flag.
  const missing = !value || (!inline && /^-\D/.test(value));
  if (missing)
    throw new Fault("usage", `${label} needs a value`, `write ${label} ${arg.valueHint ?? "VALUE"}`);
  return value;
}

/** Whether a word at that place has to be there. */
function isMissing(place: number, args: Args): boolean {
  return Object.values(args).filter(({ type }) => type === "positional")[place]?.required ?? false;
}

/** `--failover fra syd`: nobody can tell whether the second name belongs to the list, and taken for a word it does harm. */
function refuseBehind(list: string | undefined, word: string, isMissing: boolean, what: string): void {
  if (list === undefined || isMissing) return;
  throw new Fault(
    "usage",
    `${what}: ${quote(word)} behind ${list} may be one more of the list, or a word of its own`,
    `write ${list},${word}; or the words first and then the flags`,
  );
}

function unknownFlag(
  label: string,
  known: ReadonlyMap<string, Known>,
  what: string,
  elsewhere: Elsewhere,
): Fault {
  const labels = [...known.keys()].filter((one) => one.startsWith("--"));
  const own = `${what.replace(/^\w+ /, "")} ${label}`;
  const answer = elsewhere[own] ?? elsewhere[label];
  return new Fault(
    "usage",
    `${what} has no flag ${quote(label)}`,
    answer ??
      // Of a letter that is none, `-v`, the long flag that begins with it.
      advice(label.length === 2 ? `-${label}` : label, labels, `${what} --help shows all`),
  );
}

function checkWords(words: readonly string[], args: Args, what: string, example: string | undefined): void {
  const places = Object.entries(args).filter(([, arg]) => arg.type === "positional");
  const missing = places.find(([, arg], index) => arg.required && index >= words.length);
  if (missing) {
    const [name, arg] = missing;
    const hint = `${example === undefined ? "" : `for example: ${example}; `}see ${what} --help`;
    throw new Fault("usage", `${what} needs ${arg.valueHint ?? name.toUpperCase()}`, hint);
  }
  const surplus = places.some(([, arg]) => arg.many) ? undefined : words[places.length];
  if (surplus !== undefined) {
    const most =
      places.length === 0 ? "no words" : places.length === 1 ? "one word" : `${places.length} words`;
    throw new Fault(
      "usage",
      `${what} takes ${most}, and ${quote(surplus)} is one too many`,
      `see ${what} --help`,
    );
  }
  if (words.includes(""))
    throw new Fault("usage", `${what} was given an empty word`, "is a shell variable unset?");
}
