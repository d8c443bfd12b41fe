// The effective configuration: what was written with all defaults filled in, as data and as TOML.
import { stringify } from "smol-toml";
import type { Config } from "./config.ts";
import type { TomlDocument } from "./toml-schema.ts";

export interface Description extends TomlDocument {
  /** The file that it comes from. */
  readonly config: string;
  readonly warnings: readonly string[];
}

/** Plain data with the keys of the file. Only `data_dir` is shown as it is used, absolute. */
export function describe(config: Config): Description {
  const { document, path, warnings } = config;
  const settings = { ...document.settings, data_dir: config.settings.dataDir };
  return { config: path, warnings, ...document, settings };
}

/** The same as TOML that can be read as a configuration again. */
export function describeAsToml(config: Config): string {
  const { config: path, warnings, ...document } = describe(config);
  const notes = [`The effective configuration of ${path}`, ...warnings].map((note) => `# ${note}\n`).join("");
  return `${notes}${stringify(document)}`;
}
