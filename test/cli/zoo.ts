// A program with one command of every kind, for tests of the terminal toolkit; run as a file it is a real process.
import {
  choice,
  flag,
  list,
  maybeWord,
  number,
  option,
  withDefault,
  word,
  words,
} from "../../src/cli/argument.ts";
import { type Asking, command, type Name, type Program } from "../../src/cli/command.ts";
import { runProgram } from "../../src/cli/run.ts";
import { createSink } from "../../src/cli/sink.ts";
import { Fault } from "../../src/core/fault.ts";
import { parseInstance } from "../../src/core/name.ts";
import { readEnvironment } from "../../src/platform/environment.ts";
import { sleep, systemClock } from "../../src/platform/time/clock.ts";

const echo = command({
  name: "echo",
  summary: "Print what was understood",
  description: "Prints its arguments.",
  examples: [["{program} echo a b", "two words"]],
  args: {
    first: maybeWord("The first word", { hint: "FIRST" }),
    others: words("The other words"),
    force: flag("Whatever happens", { letter: "f" }),
    version: option("The version", { hint: "V" }),
    limit: withDefault(number("How many", { min: 1, max: 100, letter: "n" }), 10),
    weight: number("Percent", { max: 100, decimals: 2 }),
    level: choice("Which stream", ["stdout", "stderr"]),
    stopOld: list("What to stop", { hint: "IDS", names: "animal" }),
    out: option("Where to", { hint: "FILE" }),
  },
  run({ args, globals, out }) {
    out.data({ args, globals }, () => JSON.stringify(args));
    return 0;
  },
});

const show = command({
  name: "show",
  summary: "Exactly one instance",
  examples: [["{program} show api:v1", "one"]],
  args: { instance: word("Which one", { hint: "service:id", read: parseInstance, names: "animal" }) },
  run({ args, out }) {
    out.data({ ...args.instance }, () => `${args.instance.service} ${args.instance.id}`);
    return 0;
  },
});

const fail = command({
  name: "fail",
  summary: "Fail in one way or another",
  examples: [["{program} fail defect", "as a bug does"]],
  args: { how: word("How", { choices: ["fault", "defect"] }), exit: number("An exit code") },
  run({ args, out }) {
    if (args.how === "fault") {
      const details = { exit_code: 137, last_output: ["one", "two"] };
      throw new Fault("unhealthy", "api:v2 never got healthy", "look at its log", { details });
    }
    if (args.how === "defect") throw new TypeError("x is not a function");
    out.data({ code: args.exit }, () => "ends with its own exit code");
    return args.exit;
  },
});

const flood = command({
  name: "flood",
  summary: "Print more than a pipe holds",
  examples: [["{program} flood | head -1", "only the first line"]],
  args: { megabytes: withDefault(number("How much"), 3) },
  async run({ args, out, signal }) {
    for (let n = 0; n < args.megabytes && !signal.aborted; n += 1) {
      out.data({ n }, () => `${"x".repeat(1024 * 1024 - 1)}\n`);
      await Bun.sleep(0);
    }
    signal.throwIfAborted();
    return 0;
  },
});

const wait = command({
  name: "wait",
  summary: "Wait for a signal, or ignore it",
  examples: [["{program} wait", "until Ctrl-C"]],
  args: { stubborn: flag("Do not stop at the first signal"), ms: number("Only so long") },
  async run({ args, out, signal }) {
    out.data({}, () => "waiting");
    await sleep(systemClock, args.ms ?? 60_000, args.stubborn ? undefined : signal);
    out.data({}, () => "done");
    return 0;
  },
});

/** Those of a server that `--server` names. */
async function animals({ globals, signal }: Asking): Promise<Name[]> {
  if (globals.server === "hangs") await sleep(systemClock, 60_000, signal);
  if (globals.server !== "ark") throw new Fault("unreachable", "no server");
  return ["lion:v1", "lion:v2", "bear:old"].map((text) => ({ text, about: `a ${text}` }));
}

export const zoo: Program = {
  name: "zoo",
  version: "1.2.3",
  summary: "Commands of every kind",
  sections: {
    Words: { echo: async () => ({ default: echo }), show: async () => ({ default: show }) },
    Trouble: {
      fail: async () => ({ default: fail }),
      flood: async () => ({ default: flood }),
      wait: async () => ({ default: wait }),
    },
    Nested: {
      server: async () => ({
        default: {
          name: "server",
          summary: "What is registered",
          commands: {
            add: async () => ({ default: { ...show, name: "add" } }),
            echo: async () => ({ default: echo }),
          },
        },
      }),
      help: () => import("../../src/cli/help-command.ts"),
      completion: () => import("../../src/cli/completion-command.ts"),
    },
  },
  beside: { circus: "Another program" },
  names: async () => ({ names: { animal: animals } }),
  globals: {
    server: { hint: "URL", variable: "ZOO_SERVER", description: "Where" },
    token: { hint: "T", variable: "ZOO_TOKEN", description: "Who" },
    dataDir: { hint: "DIR", variable: "ZOO_DATA_DIR", description: "What" },
  },
};

if (import.meta.main) {
  setInterval(() => {}, 2 ** 30);
  const env = readEnvironment();
  process.exit(
    await runProgram({
      program: zoo,
      argv: process.argv.slice(2),
      env,
      stdout: createSink(1),
      stderr: createSink(2),
    }),
  );
}
