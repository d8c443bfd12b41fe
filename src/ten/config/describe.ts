// The effective configuration: what was written with all defaults filled in, as data and as TOML.
import { stringify } from "smol-toml";
import type { Config } from "./config.ts";
import type { TomlDocument } from "./toml-schema.ts";

const HIDDEN = "(set)";

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

/** The same for who is not the server's owner: no value of an environment, and only the services that are shown. */
export function describeWithoutSecrets(
  config: Config,
  isShown: (service: string) => boolean,
): Record<string, unknown> {
  const { service, instances, ...rest } = describe(config);
  const shown = <V>(tables: Readonly<Record<string, V>>) =>
    Object.entries(tables).filter(([name]) => isShown(name));
  const services = shown(service).map(([name, table]) => [
    name,
    { ...table, env: Object.fromEntries(Object.keys(table.env).map((key) => [key, HIDDEN])) },
  ]);
  return { ...rest, service: Object.fromEntries(services), instances: Object.fromEntries(shown(instances)) };
}

/** The same as TOML that can be read as a configuration again. */
export function describeAsToml(config: Config): string {
  const { config: path, warnings, ...document } = describe(config);
  const notes = [`The effective configuration of ${path}`, ...warnings].map((note) => `# ${note}\n`).join("");
  return `${notes}${stringify(document)}`;
}
