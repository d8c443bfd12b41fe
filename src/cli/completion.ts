// Completion scripts for shells, generated from a program's tree of commands.
import type { Args } from "./argument.ts";
import { type Command, type Group, isGroup, labelOf, type Program } from "./command.ts";
import { commandsOf, globalArgs } from "./find.ts";

/** One place in the tree, `""` for the program itself or `server add`, and what may follow there. */
export interface Place {
  readonly path: string;
  /** Commands, or the known values of the first word, with what each means. */
  readonly words: readonly Entry[];
  readonly flags: readonly Flag[];
}

interface Entry {
  readonly text: string;
  readonly about: string;
}

interface Flag extends Entry {
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

/** Every place of a program, the program first. Loads all its commands. */
export async function outline(program: Program): Promise<Place[]> {
  const globals = flagsOf(globalArgs(program));
  const version: Flag = { text: "--version", about: "Show the version", takesValue: false, choices: [] };

  async function visit(path: string, entry: Command | Group): Promise<Place[]> {
    if (isGroup(entry)) return children(path, entry.commands, globals);
    const choices = Object.values(entry.args).find((arg) => arg.type === "positional")?.choices ?? [];
    return [
      {
        path,
        words: choices.map((text) => ({ text, about: "" })),
        flags: [...flagsOf(entry.args), ...globals],
      },
    ];
  }

  async function children(
    path: string,
    commands: Group["commands"],
    flags: readonly Flag[],
  ): Promise<Place[]> {
    const loaded = await Promise.all(
      Object.entries(commands).map(async ([name, load]) => ({ name, entry: (await load()).default })),
    );
    const words = loaded.map(({ name, entry }) => ({ text: name, about: entry.summary }));
    const below = await Promise.all(
      loaded.map(({ name, entry }) => visit(path ? `${path} ${name}` : name, entry)),
    );
    return [{ path, words, flags }, ...below.flat()];
  }

  return children("", commandsOf(program), [...globals, version]);
}

function flagsOf(args: Args): Flag[] {
  return Object.entries(args)
    .filter(([, arg]) => arg.type !== "positional")
    .map(([name, arg]) => ({
      text: labelOf(name, arg),
      about: arg.description,
      takesValue: arg.type === "string",
      choices: arg.choices ?? [],
    }));
}

export type Shell = "bash" | "zsh" | "fish";

export const SHELLS: Readonly<Record<Shell, (name: string, places: readonly Place[]) => string>> = {
  bash,
  zsh,
  fish,
};

/** What POSIX shells and fish take literally. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
const texts = (entries: readonly Entry[]) => entries.map(({ text }) => text).join(" ");

/** Shell code for bash and zsh alike that sets `at` to the place that the words before the cursor have reached. */
function walk(places: readonly Place[], wordAt: string, last: string): string {
  const takers = new Set(
    places.flatMap(({ flags }) => flags.filter((flag) => flag.takesValue).map((flag) => flag.text)),
  );
  const paths = places.map(({ path }) => quoted(path)).join("|");
  return `  local at='' next i
  for ((i = ${wordAt}; i < ${last}; i++)); do
    case "\${words[i]}" in
      ${[...takers].join("|") || "--"}) ((i++)) ;;
      -*) ;;
      *)
        next="\${at:+$at }\${words[i]}"
        case "$next" in ${paths}) at="$next" ;; esac
        ;;
    esac
  done`;
}

function bash(name: string, places: readonly Place[]): string {
  const cases = places.map(
    ({ path, words, flags }) =>
      `    ${quoted(path)}) COMPREPLY=($(compgen -W ${quoted(`${texts(words)} ${texts(flags)}`)} -- "$cur")) ;;`,
  );
  return `# bash completion for ${name}
_${name}() {
  local words=("\${COMP_WORDS[@]}") cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD - 1]}"
${walk(places, "1", "COMP_CWORD")}
  case "$at $prev" in
${valueCases(places, (choices) => `COMPREPLY=($(compgen -W ${quoted(choices.join(" "))} -- "$cur")); return`)}  esac
  case "$at" in
${cases.join("\n")}
  esac
}
complete -o default -F _${name} ${name}
`;
}

/** For each flag with a value what to do after it: its choices, or nothing, which means files. */
function valueCases(places: readonly Place[], offer: (choices: readonly string[]) => string): string {
  return places
    .flatMap(({ path, flags }) =>
      flags
        .filter((flag) => flag.takesValue)
        .map(({ text, choices }) => {
          const action = choices.length === 0 ? "return" : offer(choices);
          return `    ${quoted(`${path} ${text}`)}) ${action} ;;\n`;
        }),
    )
    .join("");
}

function zsh(name: string, places: readonly Place[]): string {
  const describe = (entries: readonly Entry[]) =>
    entries.map(({ text, about }) => quoted(text.replaceAll(":", "\\:") + (about && `:${about}`))).join(" ");
  const cases = places.map(
    ({ path, words, flags }) =>
      `    ${quoted(path)}) commands=(${describe(words)}); flags=(${describe(flags)}) ;;`,
  );
  return `#compdef ${name}
# zsh completion for ${name}
_${name}() {
  local -a commands flags
${walk(places, "2", "CURRENT")}
  case "$at \${words[CURRENT-1]}" in
${valueCases(places, (choices) => `compadd -- ${choices.map(quoted).join(" ")}; return`).replaceAll(") return ;;", ") _files; return ;;")}  esac
  case "$at" in
${cases.join("\n")}
  esac
  if [[ "$PREFIX" == -* ]]; then _describe flag flags
  elif (( \${#commands} )); then _describe command commands
  else _files
  fi
}
if [[ "$funcstack[1]" == _${name} ]]; then _${name} "$@"; else compdef _${name} ${name}; fi
`;
}

function fish(name: string, places: readonly Place[]): string {
  const lines = places.flatMap(({ path, words, flags }) => {
    const condition = quoted(`__${name}_at ${quoted(path).replaceAll("'", '"')}`);
    const start = `complete -c ${name} -n ${condition}`;
    return [
      ...words.map(({ text, about }) => `${start} -f -a ${quoted(text)} -d ${fishQuoted(about)}`),
      ...flags.map(({ text, about, takesValue, choices }) => {
        const value = choices.length > 0 ? ` -x -a ${quoted(choices.join(" "))}` : takesValue ? " -r" : "";
        return `${start} -l ${text.slice(2)}${value} -d ${fishQuoted(about)}`;
      }),
    ];
  });
  const takers = new Set(
    places.flatMap(({ flags }) => flags.filter((flag) => flag.takesValue).map((flag) => flag.text)),
  );
  return `# fish completion for ${name}
function __${name}_at
  set -l path ''
  set -l skip 0
  set -l words (commandline -opc)
  for word in $words[2..-1]
    if test $skip = 1
      set skip 0
    else if contains -- $word ${[...takers].join(" ")}
      set skip 1
    else if not string match -q -- '-*' $word
      set -l next (string trim -- "$path $word")
      if contains -- "$next" ${places.map(({ path }) => quoted(path)).join(" ")}
        set path $next
      end
    end
  end
  test "$path" = "$argv[1]"
end
${lines.join("\n")}
`;
}

/** Inside single quotes fish knows only \\' and \\\\. */
function fishQuoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
