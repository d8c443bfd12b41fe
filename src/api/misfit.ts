// What is wrong with what a caller sent, in our words and not in the validator's, and what to send instead.
import type { z } from "zod";
import { suggest } from "../core/did-you-mean.ts";
import { Fault } from "../core/fault.ts";
import { quote } from "../core/quote.ts";
import { schemaText } from "./schema-text.ts";

type Issue = z.core.$ZodIssue;
type RawIssue = z.core.$ZodRawIssue;

const ISSUES_SHOWN = 3;
/** A hint that is longer is not read. */
const HINT_CHARS = 600;

/** What `schema` makes of a value. Throws a `usage` fault that names each key that does not fit; `part` stands before them, `query `. */
export function fitting(schema: z.ZodType, value: unknown, part: string): unknown {
  const result = schema.safeParse(value, { error: said });
  if (result.success) return result.data;
  const { issues } = result.error;
  // What our own parsers refuse has its hint in it.
  const needsHint = issues.some(({ code }) => code !== "custom");
  const hint =
    part === "query " ? `the query may have ${cut(schemaText(schema, "input"))}` : bodyHint(schema);
  throw new Fault("usage", `${part}${listed(issues)}`, needsHint ? hint : undefined);
}

function listed(issues: readonly Issue[]): string {
  const texts = issues
    .slice(0, ISSUES_SHOWN)
    .map(({ path, message }) => (path.length > 0 ? `${path.join(".")}: ${message}` : ofWhole(message)));
  const more = issues.length - texts.length;
  return texts.join("; ") + (more > 0 ? `; and ${more} more` : "");
}

function ofWhole(message: string): string {
  return message.startsWith("missing") ? `the body is ${message}` : message;
}

/** What a body has to be. */
export function bodyHint(schema: z.ZodType): string {
  return `send ${cut(schemaText(schema, "input"))}`;
}

function cut(text: string): string {
  return text.length > HINT_CHARS ? `${text.slice(0, HINT_CHARS)}...` : text;
}

/** The message of one issue, in the words that tenement.toml's have; the validator's own where there is nothing better. */
export function said(issue: RawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return missingOr(issue.input, typeWord(issue.expected));
    case "invalid_union":
      return missingOr(issue.input, unionWords(issue.errors));
    case "invalid_value":
      return missingOr(issue.input, issue.values.map((one) => JSON.stringify(one)).join(" or "));
    case "too_big":
      return `expected at most ${issue.maximum}${unitOf(issue.origin)}, got ${sizeOf(issue.input)}`;
    case "too_small":
      return `expected at least ${issue.minimum}${unitOf(issue.origin)}, got ${sizeOf(issue.input)}`;
    case "unrecognized_keys":
      return unknownKeys(issue);
    default:
      return undefined;
  }
}

function missingOr(input: unknown, expected: string): string {
  return input === undefined ? `missing, expected ${expected}` : `expected ${expected}, got ${shown(input)}`;
}

function unknownKeys({ keys, inst }: Extract<RawIssue, { code: "unrecognized_keys" }>): string {
  const shape = (inst as Partial<z.ZodObject> | undefined)?.shape ?? {};
  const [first = ""] = keys;
  const known = suggest(first, Object.keys(shape));
  return `unknown ${keys.length === 1 ? "key" : "keys"} ${keys.map(quote).join(", ")}${known && `, ${known}`}`;
}

function unionWords(errors: readonly (readonly Issue[])[]): string {
  const words = errors.flatMap((some) =>
    some.flatMap((one) => (one.code === "invalid_type" ? [typeWord(one.expected)] : [])),
  );
  return words.length === 0 ? "something else" : [...new Set(words)].join(" or ");
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "an object",
  record: "an object",
  array: "a list",
};

function typeWord(expected: string): string {
  return TYPE_WORDS[expected] ?? expected;
}

function shown(value: unknown): string {
  if (typeof value === "string") return quote(value);
  if (Array.isArray(value)) return "a list";
  if (Number.isNaN(value)) return "something else";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

function unitOf(origin: string): string {
  return { string: " characters", array: " entries" }[origin] ?? "";
}

function sizeOf(value: unknown): string {
  return typeof value === "string" || Array.isArray(value) ? String(value.length) : shown(value);
}
