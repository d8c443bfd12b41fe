// Which app a directory holds: what says how it is run goes before what is guessed.
import { findJavaScript } from "./javascript.ts";
import {
  findDotnet,
  findExecutable,
  findGo,
  findJvm,
  findPhp,
  findRuby,
  findRust,
  findSite,
} from "./others.ts";
import { findDockerfile, findPm2, findProcfile } from "./process-files.ts";
import { findPython } from "./python.ts";
import type { Found, Kind, Survey } from "./survey.ts";

const DECLARED: readonly Kind[] = [
  findProcfile,
  findPm2,
  findPhp,
  findRuby,
  findPython,
  findGo,
  findRust,
  findJvm,
  findDotnet,
  findJavaScript,
];
const GUESSED: readonly Kind[] = [findDockerfile, findSite, findExecutable];

/** The apps of the first kind that has any; none is an empty list. `declared`: only where files say what it is. */
export function findApps(survey: Survey, which: "all" | "declared" = "all"): readonly Found[] {
  const kinds = which === "all" ? [...DECLARED, ...GUESSED] : [...DECLARED, findSite];
  for (const kind of kinds) {
    const found = kind(survey);
    if (found.length > 0) return found;
  }
  return [];
}
