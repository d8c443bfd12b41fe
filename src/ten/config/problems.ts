// What is wrong with a tenement.toml, as lines that name a key, and all of them as one fault.
import { Fault, messageOf } from "../../core/fault.ts";

export interface Problem {
  /** The keys from the top of the file to the value. */
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

const PROBLEMS_SHOWN = 20;

/** `service.api.command`: keys that TOML would quote are quoted, list items are shown as [0]. */
export function keyPath(path: readonly PropertyKey[]): string {
  return path
    .map((key, depth) => (typeof key === "number" ? `[${key}]` : `${depth > 0 ? "." : ""}${bare(key)}`))
    .join("");
}

function bare(key: PropertyKey): string {
  const text = String(key);
  return /^[\w-]{1,80}$/.test(text) ? text : JSON.stringify(text.slice(0, 80));
}

/** Message and hint of whatever was thrown, in one line. */
export function explain(thrown: unknown): string {
  const hint = thrown instanceof Fault ? thrown.hint : undefined;
  return hint === undefined ? messageOf(thrown) : `${messageOf(thrown)}; ${hint}`;
}

/** The usage fault that tells all problems of one file, each on its own line when there are several. */
export function configFault(file: string, problems: readonly Problem[]): Fault {
  const lines = problems.map(({ path, message }) => `${keyPath(path)}: ${message}`);
  const hint = "correct the file";
  if (lines.length === 1) return new Fault("usage", `${file}: ${lines[0]}`, hint);
  const more = lines.length - PROBLEMS_SHOWN;
  const shown = [...lines.slice(0, PROBLEMS_SHOWN), ...(more > 0 ? [`and ${more} more`] : [])];
  return new Fault("usage", `${file} has ${lines.length} problems:\n  ${shown.join("\n  ")}`, hint);
}
