// A release: what of a service's configuration its processes are started with. Each instance keeps its own, as it was written.
import { mentions } from "../../core/template.ts";
import type { ServiceDocument } from "./toml-schema.ts";

/** Text before interpolation: what comes from the environment is read at each start, and lies in no backup. */
const KEYS = [
  "command",
  "args",
  "before_start",
  "after_stop",
  "workdir",
  "env",
  "env_file",
  "health",
  "health_host",
  "health_command",
  "address",
  "port",
  "memory_limit_mb",
  "cpu_shares",
  "open_files",
  "user",
  "group",
  "isolation",
] as const satisfies readonly (keyof ServiceDocument)[];

export type Release = Pick<ServiceDocument, (typeof KEYS)[number]>;

export function releaseOf(document: ServiceDocument): Release {
  return Object.fromEntries(
    KEYS.flatMap((key) => (document[key] === undefined ? [] : [[key, document[key]]])),
  ) as unknown as Release;
}

/** Whether its processes need a build that was shipped. */
export function usesReleaseDir({ command, args, workdir, env, ...more }: Release): boolean {
  const texts = [
    command,
    workdir,
    more.before_start,
    more.after_stop,
    more.env_file,
    ...args,
    ...Object.values(env),
  ];
  return texts.some((text) => text !== undefined && mentions(text, "release_dir"));
}

/** The keys in which two releases differ; of the environment only the names. */
export function differingKeys(a: Release, b: Release): string[] {
  return KEYS.flatMap((key) => {
    if (Bun.deepEquals(a[key], b[key])) return [];
    if (key !== "env") return [key];
    const names = new Set([...Object.keys(a.env), ...Object.keys(b.env)]);
    return [...names].filter((name) => a.env[name] !== b.env[name]).map((name) => `env.${name}`);
  });
}
