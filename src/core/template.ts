// Placeholders such as {port}, filled in after a command is split into words, so that no value can add an argument.

import { isNear, nearest } from "./did-you-mean.ts";
import { Fault } from "./fault.ts";

const PLACEHOLDERS = [
  "name",
  "id",
  "version",
  "data_dir",
  "instance_dir",
  "shared_dir",
  "release_dir",
  "port",
] as const;

export type Placeholder = (typeof PLACEHOLDERS)[number];
/** `env` is the environment that {env.NAME} is taken from. */
export type PlaceholderValues = Readonly<Record<Placeholder, string>> & {
  readonly env: Readonly<Record<string, string | undefined>>;
};

/**
 * `{{word}}` is the text {word} itself; `{env.NAME}` a variable of the server's own environment; `{word}` is a placeholder. Braces around anything else (JSON, `{a,b}`, `{}`)
 * are text, and so is the `${word}` of a script for `sh -c`.
 */
const PLACE =
  /\{\{(?<literal>(?:env\.)?[A-Za-z_][\w-]*)\}\}|(?<!\$)\{env\.(?<variable>[A-Za-z_]\w*)\}|(?<!\$)\{(?<name>[A-Za-z_][\w-]*)\}/g;

/**
 * The text with its placeholders replaced, in one pass: values are never looked at again. A usage fault for an unknown one, and
 * for a variable that the server does not have.
 */
export function fill(template: string, values: PlaceholderValues): string {
  return template.replace(PLACE, (...match) => {
    const { literal, variable, name } = match.at(-1) as Record<string, string | undefined>;
    if (variable !== undefined) return values.env[variable] ?? missing(variable);
    return name === undefined ? `{${literal}}` : values[known(name)];
  });
}

/** Throws a usage fault when the text holds a placeholder that is not known. */
export function checkTemplate(template: string): void {
  for (const match of template.matchAll(PLACE))
    if (match.groups?.name !== undefined) known(match.groups.name);
}

/** Whether the text holds that placeholder. */
export function mentions(template: string, placeholder: Placeholder): boolean {
  return template.matchAll(PLACE).some((match) => match.groups?.name === placeholder);
}

function known(name: string): Placeholder {
  const found = PLACEHOLDERS.find((placeholder) => placeholder === name);
  if (found !== undefined) return found;
  const next = nearest(name, PLACEHOLDERS) ?? "";
  const advice = isNear(name, next) ? `did you mean {${next}}?` : `the nearest known one is {${next}}.`;
  throw new Fault(
    "usage",
    `{${name}} is not a placeholder`,
    `${advice} For the text itself write {{${name}}}`,
  );
}

function missing(variable: string): never {
  throw new Fault(
    "usage",
    `{env.${variable}}: the server's environment has no ${variable}`,
    "set it where ten serve is started, or write its value",
  );
}
