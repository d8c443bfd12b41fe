// What a command takes: flags, options with a value, and words; each knows how to read its text or to refuse it.

import { advice } from "../core/did-you-mean.ts";
import { durationMs } from "../core/duration.ts";
import { Fault } from "../core/fault.ts";
import { quote } from "../core/quote.ts";

/** One argument of a command, in citty's form where citty reads it, and ours where citty has none. */
export interface Arg<T> {
  readonly type: "boolean" | "string" | "positional";
  readonly description: string;
  /** How a value is called in help, `N` or `service:id`. */
  readonly valueHint?: string;
  /** The one-letter form, `f` for `-f`. */
  readonly letter?: string;
  /** An option that may be repeated, or the last word that takes all the rest. */
  readonly many?: boolean;
  readonly required: boolean;
  /** What a flag may have behind a `=`. */
  readonly inline?: readonly string[];
  /** All values that there are: for help and completion. */
  readonly choices?: readonly string[];
  /** What a running server knows by name and belongs here, one of the keys of the program's `names`: for completion. */
  readonly names?: string;
  /** What is used when nothing is given, as help shows it. */
  readonly fallback?: string;
  /** The value of what was written, none or one text, or any number for `many`. Throws a `usage` fault. */
  readonly read: (texts: readonly string[], label: string) => T;
}

// biome-ignore lint/suspicious/noExplicitAny: the one place where the values' types are left open, for inference.
export type Args = Readonly<Record<string, Arg<any>>>;

/** The typed values of a command's arguments. */
export type Values<A extends Args> = { readonly [K in keyof A]: A[K] extends Arg<infer T> ? T : never };

/** Turns one text into a value, or throws a `usage` fault; `label` is how the person wrote it, `--weight`. */
export type Read<T> = (text: string, label: string) => T;

interface Written {
  readonly hint?: string;
  readonly letter?: string;
  readonly names?: string;
}

const asText: Read<string> = (text) => text;

/** `--force`: on or off. */
export function flag(description: string, { letter }: Written = {}): Arg<boolean> {
  const read = (texts: readonly string[]) => texts.length > 0;
  return { type: "boolean", description, required: false, read, ...(letter && { letter }) };
}

/** `--https`, or with one of a few words behind it, `--https=staging`: `on`, that word, or undefined. */
export function flagOr<const C extends string>(
  description: string,
  inline: readonly C[],
): Arg<C | "on" | undefined> {
  const read = ([text]: readonly string[]) => (text === undefined ? undefined : (text as C) || "on");
  return { type: "boolean", description, inline, required: false, read };
}

/** `--version V`: a value, or undefined. */
export function option(description: string, written?: Written): Arg<string | undefined>;
export function option<T>(description: string, written: Written & { read: Read<T> }): Arg<T | undefined>;
export function option(
  description: string,
  { hint = "TEXT", letter, names, read = asText }: Written & { read?: Read<unknown> } = {},
): Arg<unknown> {
  return {
    type: "string",
    description,
    valueHint: hint,
    required: false,
    ...(letter && { letter }),
    ...(names && { names }),
    read: ([text]: readonly string[], label: string) => (text === undefined ? undefined : read(text, label)),
  };
}

/** The same option with a value for when it is not given; help shows it, as `shown` where people write it in another way. */
export function withDefault<T>(
  arg: Arg<T | undefined>,
  fallback: T & (string | number),
  shown: string = String(fallback),
): Arg<T> {
  return { ...arg, fallback: shown, read: (texts, label) => arg.read(texts, label) ?? fallback };
}

/** `--keep N`: a number, whole unless `decimals` says otherwise. */
export function number(
  description: string,
  { hint = "N", letter, ...limits }: Written & { min?: number; max?: number; decimals?: number } = {},
): Arg<number | undefined> {
  const read: Read<number> = (text, label) => readNumber(text, label, limits);
  return option(description, { hint, read, ...(letter && { letter }) });
}

/** `--timeout S`: seconds, or a length of time such as `2m`. */
export function seconds(
  description: string,
  { hint = "S", letter, ...limits }: Written & { min?: number; max?: number; decimals?: number } = {},
): Arg<number | undefined> {
  const read: Read<number> = (text, label) => {
    const ms = durationMs(text.replace(/\s+/g, ""));
    return readNumber(ms === undefined ? text : String(ms / 1000), label, limits);
  };
  return option(description, { hint, read, ...(letter && { letter }) });
}

/** A number as people write it, within its limits, or a `usage` fault; `label` names what it is for. */
export function readNumber(
  text: string,
  label: string,
  {
    min = 0,
    max = Number.MAX_SAFE_INTEGER,
    decimals = 0,
  }: { min?: number; max?: number; decimals?: number } = {},
): number {
  const value = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  const digits = text.split(".")[1]?.length ?? 0;
  if (value >= min && value <= max && digits <= decimals) return value;
  const kind = decimals === 0 ? "a whole number" : `a number with at most ${decimals} decimals`;
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new Fault("usage", `${label} is ${quote(text)}`, `give ${kind} ${range}`);
}

/** Reads one of a few words. */
export function oneOf<const C extends string>(choices: readonly C[]): Read<C> {
  return (text, label) => {
    const found = choices.find((one) => one === text);
    if (found !== undefined) return found;
    throw new Fault(
      "usage",
      `${label} is ${quote(text)}`,
      advice(text, choices, `known: ${choices.join(", ")}`),
    );
  };
}

/** `--level stdout`: one of a few words. */
export function choice<const C extends string>(
  description: string,
  choices: readonly C[],
  written: Written = {},
): Arg<C | undefined> {
  return { ...option(description, { hint: choices.join("|"), read: oneOf(choices), ...written }), choices };
}

/** `--failover fra,syd`, or the option several times: all its values in order, none when it is not given. */
export function list(
  description: string,
  { hint = "LIST", letter, names }: Written = {},
): Arg<readonly string[]> {
  return {
    type: "string",
    description,
    valueHint: hint,
    many: true,
    required: false,
    ...(letter && { letter }),
    ...(names && { names }),
    read: (texts, label) => {
      const values = texts.flatMap((text) => text.split(",").map((value) => value.trim()));
      if (values.includes(""))
        throw new Fault("usage", `${label} has an empty value`, "separate values by single commas");
      return values;
    },
  };
}

interface Word<T> {
  readonly hint?: string;
  readonly read?: Read<T>;
  readonly choices?: readonly string[];
  readonly names?: string;
}

/** A word that has to be there. */
export function word(description: string, more?: Omit<Word<string>, "read">): Arg<string>;
export function word<T>(description: string, more: Word<T> & { read: Read<T> }): Arg<T>;
export function word(description: string, more: Word<unknown> = {}): Arg<unknown> {
  return { ...maybeWord(description, { read: asText, ...more }), required: true };
}

/** A word that may be left out; only words that may be left out can follow. */
export function maybeWord(description: string, more?: Omit<Word<string>, "read">): Arg<string | undefined>;
export function maybeWord<T>(description: string, more: Word<T> & { read: Read<T> }): Arg<T | undefined>;
export function maybeWord(
  description: string,
  { hint, read = asText, choices, names }: Word<unknown> = {},
): Arg<unknown> {
  return {
    type: "positional",
    description,
    required: false,
    ...(hint && { valueHint: hint }),
    ...(choices && { choices }),
    ...(names && { names }),
    read: ([text]: readonly string[], label: string) => (text === undefined ? undefined : read(text, label)),
  };
}

/** All remaining words, in order; with `required`, at least one. */
export function words(
  description: string,
  more?: Omit<Word<string>, "read"> & { required?: boolean },
): Arg<readonly string[]>;
export function words<T>(
  description: string,
  more: Word<T> & { read: Read<T>; required?: boolean },
): Arg<readonly T[]>;
export function words(
  description: string,
  { required = false, read = asText, ...more }: Word<unknown> & { required?: boolean } = {},
): Arg<unknown> {
  const each = (texts: readonly string[], label: string) => texts.map((text) => read(text, label));
  return {
    ...maybeWord(description, { ...more, read }),
    required,
    many: true,
    read: each,
  };
}
