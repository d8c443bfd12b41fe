// Writes the pages of docs/ that follow from the code: `bun docs.ts`. test/docs.test.ts compares them, so that none falls behind.
import type { z } from "zod";
import { JSON_SHAPES, SLUM_ANSWERS, TEN_ANSWERS } from "./json-answers.ts";
import { type Contract, MEDIA_TYPES, type Operation } from "./src/api/operation.ts";
import { schemaText } from "./src/api/schema-text.ts";
import type { Arg } from "./src/cli/argument.ts";
import { type Command, type Commands, isGroup, labelOf, type Program } from "./src/cli/command.ts";
import { globalArgs } from "./src/cli/find.ts";
import { FAULTS } from "./src/core/fault.ts";
import { contract as slumContract } from "./src/slum/api/contract.ts";
import { slum } from "./src/slum/program.ts";
import { contract as tenContract } from "./src/ten/api/contract.ts";
import { changeAnswer, instanceAnswer, splitAnswer } from "./src/ten/api/shapes.ts";
import { ten } from "./src/ten/program.ts";

/** Answers that come in several places, each written once; those that others contain come first. */
const SHAPES: Readonly<Record<string, z.ZodType>> = {
  Split: splitAnswer,
  Change: changeAnswer,
  Instance: instanceAnswer,
};

/** Every command of both programs, as `--help` has it. */
export async function commandsPage(): Promise<string> {
  return page("Commands", "What `ten COMMAND --help` says of each, in one place.", [
    await programPart(ten),
    await programPart(slum),
    exitCodes(),
  ]);
}

/** What `--json` prints, command by command. */
export function jsonPage(): string {
  const all = { ...SHAPES, ...JSON_SHAPES };
  const answers = (program: string, commands: Readonly<Record<string, z.ZodType>>) =>
    section(
      program,
      Object.entries(commands)
        .map(
          ([line, type]) =>
            `${tick(`${program} ${line}`)}: ${tick(withNames(schemaText(type, "output"), all))}`,
        )
        .join("\n\n"),
    );
  return page(
    "JSON",
    'Every command takes `--json` and then prints one line of JSON on stdout, and only warnings on stderr; what goes on (`-f`, `--watch`, `serve`) prints a line each time. Each has `"schema": 1`, which changes when a key goes or changes its meaning; new keys may come at any time. `NAME?` is left out where there is nothing to say. Of what failed it is `{"error": {"code", "message", "hint"?, "details"?}}`, and the exit code is that of [the table](commands.md#exit-codes).\n\nTimes are in RFC 3339, in UTC; a number has its unit in its key: `_secs`, `_ms`, `_bytes`, `_percent`, `_per_sec`. Without one it is a count, or the percentages `weight` and `share`. The same thing has the same key in both programs.',
    [section("Shapes", shapes(all)), answers("ten", TEN_ANSWERS), answers("slum", SLUM_ANSWERS)],
  );
}

/** Every operation of both admin APIs. */
export function apiPage(): string {
  return page(
    "HTTP API",
    "JSON over the unix socket in the data directory, which needs no token, and over HTTP with `Authorization: Bearer TOKEN`: on the server's own host, or at `--admin`. `open` operations need no token; the others take a token of their scope or of one that reaches further (`read`, `deploy`, `admin`), and a tenant's where it says so, which sees and touches only what is its own. [Access](access.md) has it all. The commands use these very operations.\n\nWords: a `service` is what tenement.toml describes, an `instance` is one copy of it, named `api:v2`, and its `id` in a request is the part behind the colon, `v2`; a `version` is what it was deployed as. Answers name an instance twice, as `instance` and, for older clients, as `id`. slum has `server`s and `tenant`s, and a tenant's `service` and `instance` are those of its server.",
    [
      section("Shapes", shapes()),
      section("ten", operations(tenContract)),
      section("slum", operations(slumContract)),
      section(
        "Errors",
        `\`{"error": {"code", "message", "hint"?, "details"?}}\`, with these codes:\n\n${table(
          ["code", "status", "exit code of a command"],
          Object.entries(FAULTS).map(([code, { status, exit }]) => [tick(code), `${status}`, `${exit}`]),
        )}`,
      ),
    ],
  );
}

function page(title: string, opening: string, parts: readonly string[]): string {
  const source = "<!-- Written by `bun docs.ts` from the code: change it there. -->";
  return `# ${title}\n\n${source}\n\n${opening}\n\n${parts.join("\n\n")}\n`;
}

function section(title: string, body: string): string {
  return `## ${title}\n\n${body}`;
}

async function programPart(program: Program): Promise<string> {
  const commands = await Promise.all(
    Object.values(program.sections).map((some) => commandParts(some, program.name, program)),
  );
  const globals = `Global flags, before or after the command:\n\n${flagTable(globalArgs(program))}`;
  return section(program.name, [globals, ...commands.flat()].join("\n\n"));
}

async function commandParts(commands: Commands, above: string, program: Program): Promise<string[]> {
  const parts = Object.entries(commands).map(async ([name, load]) => {
    const entry = (await load()).default;
    const what = `${above} ${name}`;
    return isGroup(entry) ? commandParts(entry.commands, what, program) : [commandPart(entry, what, program)];
  });
  return (await Promise.all(parts)).flat();
}

function commandPart(command: Command, what: string, program: Program): string {
  const words = Object.entries(command.args)
    .filter(([, arg]) => arg.type === "positional")
    .map(([name, arg]) => {
      const place = `${arg.valueHint ?? name.toUpperCase()}${arg.many ? "..." : ""}`;
      return arg.required ? place : `[${place}]`;
    });
  const examples = command.examples.map(([line, why]) => `${line}\n    # ${why}`).join("\n");
  return [
    `### ${[what, ...words].join(" ").replace(/[<>]/g, "")}`,
    `${command.summary}. ${command.description ?? ""}`.trim(),
    flagTable(command.args),
    fence(examples.replaceAll("{program}", program.name)),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function flagTable(args: Command["args"]): string {
  const rows = Object.entries(args).map(([name, arg]) => [tick(flagName(name, arg)), explain(arg)]);
  return rows.length === 0 ? "" : table(["argument", "what it is"], rows);
}

function flagName(name: string, arg: Arg<unknown>): string {
  if (arg.type === "positional") return arg.valueHint ?? name.toUpperCase();
  const letter = arg.letter ? `-${arg.letter}, ` : "";
  return `${letter}${labelOf(name, arg)}${arg.type === "string" ? ` ${arg.valueHint ?? "VALUE"}` : ""}`;
}

function explain({ description, fallback }: Arg<unknown>): string {
  return fallback === undefined ? description : `${description} (default ${fallback})`;
}

function exitCodes(): string {
  const codes = new Map<number, string[]>([[0, ["ok"]]]);
  for (const [code, { exit }] of Object.entries(FAULTS)) codes.set(exit, [...(codes.get(exit) ?? []), code]);
  const rows = [...codes].map(([exit, names]) => [`${exit}`, names.map(tick).join(", ")]);
  return section("Exit codes", table(["code", "meaning"], rows));
}

function operations(contract: Contract): string {
  return Object.values<Operation>(contract)
    .map((operation) => {
      const { method, path, summary, scope, tenants, transport = "json" } = operation;
      const facts = `${summary}. Scope: ${scope}${tenants ? ", tenants too" : ""}. Answer: \`${MEDIA_TYPES[transport]}\`.`;
      const fields = (["params", "query", "body"] as const).map((part) => fieldLine(part, operation[part]));
      const answer = transport === "text" ? "" : fieldLine("answer", operation.answer);
      return [
        `### ${method} ${path}`,
        [facts, ...fields, answer].filter((line) => line !== "").join("\n\n"),
      ].join("\n\n");
    })
    .join("\n\n");
}

/** One line for a part of a request, or for the answer. */
function fieldLine(part: string, type: z.ZodType | undefined): string {
  if (!type) return "";
  return `${part}: ${tick(withNames(schemaText(type, part === "answer" ? "output" : "input")))}`;
}

/** The text with the names of the shapes in place of those that it contains; a shape itself is not named. */
function withNames(text: string, all = SHAPES, except?: string): string {
  let named = text;
  for (const [name, type] of Object.entries(all)) {
    if (name === except) break;
    named = named.replaceAll(withNames(schemaText(type, "output"), all, name), name);
  }
  return named;
}

function shapes(all = SHAPES): string {
  return Object.entries(all)
    .map(([name, type]) => `${tick(name)}: ${tick(withNames(schemaText(type, "output"), all, name))}`)
    .join("\n\n");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function fence(text: string): string {
  return `\`\`\`\n${text}\n\`\`\``;
}

function tick(text: string): string {
  return `\`${text}\``;
}

if (import.meta.main) {
  await Bun.write(`${import.meta.dir}/docs/commands.md`, await commandsPage());
  await Bun.write(`${import.meta.dir}/docs/api.md`, apiPage());
  await Bun.write(`${import.meta.dir}/docs/json.md`, jsonPage());
}
