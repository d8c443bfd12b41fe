// The apps that the two workflows are shown on, and a server that runs them from a tenement.toml as a user writes it.

import { APPS } from "../support/apps.ts";
import { RELEASES, writeRelease } from "../support/releases.ts";
import { startTen, type Ten } from "./ten.ts";

interface Layout {
  /** What the machine has to have for it. */
  readonly program: string;
  readonly toml: string;
  prepare(dir: string): void;
  /** What a version answers. */
  says(version: string): string;
}

function inDirectories(name: keyof typeof RELEASES): Layout {
  const { file, source, command } = RELEASES[name];
  return {
    program: APPS[name][0],
    toml: `[service.api]\ncommand = ${JSON.stringify(command)}\nworkdir = "releases/{version}"\nhealth = "/health"\n`,
    prepare: (dir) => {
      for (const version of ["v1", "v2"]) writeRelease(dir, version, file, source);
    },
    says: (version) => `release ${version}`,
  };
}

/** Two files that are started by their path, without a working directory of their own. */
function asExecutables(): Layout {
  const { source } = RELEASES.node;
  return {
    program: "node",
    toml: `[service.api]\ncommand = "./releases/{version}/api-server"\n`,
    prepare: (dir) => {
      for (const version of ["v1", "v2"]) writeRelease(dir, version, "api-server", source);
    },
    says: (version) => `release ${version}`,
  };
}

/** One program that reads TEN_VERSION. */
function byVariable(name: keyof typeof APPS): Layout {
  return {
    program: APPS[name][0],
    toml: `[service.api]\ncommand = ${JSON.stringify(APPS[name].map((word) => `'${word}'`).join(" "))}\nhealth = "/health"\n`,
    prepare: () => {},
    says: (version) => `"version":${name === "python" ? " " : ""}"${version}"`,
  };
}

export const LAYOUTS: readonly (readonly [name: string, layout: Layout])[] = [
  ["a Python app in two directories", inDirectories("python")],
  ["a Node app as two executables", asExecutables()],
  ["a Node app in two directories", inDirectories("node")],
  ["a Bun app in two directories", inDirectories("bun")],
  ["a Python app that reads TEN_VERSION", byVariable("python")],
  ["a Node app that reads TEN_VERSION", byVariable("node")],
  ["a Bun app that reads TEN_VERSION", byVariable("bun")],
];

export function startLayout({ toml, prepare }: Layout): Promise<Ten> {
  return startTen({ toml, prepare });
}
