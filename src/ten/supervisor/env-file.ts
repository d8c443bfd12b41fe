// A service's env_file: variables that lie in no configuration, registry or backup, read at each start.
import { readFileSync, statSync } from "node:fs";
import { parseEnv } from "node:util";
import { Fault, messageOf } from "../../core/fault.ts";
import { quote } from "../../core/quote.ts";
import { variableProblem } from "../config/cross-checks.ts";

const OTHERS = 0o077;
const MAX_BYTES = 1_048_576;

/** `NAME=value` lines, quoted or not, with # comments; values are verbatim. Throws a Fault (`unhealthy`) that names the file. */
export function readEnvFile(path: string): Readonly<Record<string, string>> {
  const variables = parse(path);
  for (const name of Object.keys(variables)) {
    const problem = variableProblem(name);
    if (problem !== undefined) throw unusable(path, `it sets ${quote(name)}: ${problem}`, "take it out");
  }
  return variables;
}

function parse(path: string): Record<string, string> {
  try {
    const { mode, size } = statSync(path);
    if ((mode & OTHERS) !== 0)
      throw unusable(path, "others than its owner may read or write it", `chmod 600 ${path}`);
    if (size > MAX_BYTES) throw unusable(path, "it is larger than 1 MB", "is it the right file?");
    return parseEnv(readFileSync(path, "utf8")) as Record<string, string>;
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown;
    throw unusable(path, messageOf(thrown), "check env_file, and who may read it");
  }
}

function unusable(path: string, why: string, hint: string): Fault {
  return new Fault("unhealthy", `env_file ${quote(path)} cannot be used: ${why}`, hint);
}
