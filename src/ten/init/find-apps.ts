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
const KINDS = { declared: DECLARED, guessed: GUESSED, site: [findSite] } as const;

/** Where files say what it is, where it looks like one, or plain files alone. */
export type Which = keyof typeof KINDS;

/** The apps of the first kind that has any; none is an empty list. */
export function findApps(survey: Survey, which: Which): readonly Found[] {
  for (const kind of KINDS[which]) {
    const found = kind(survey);
    if (found.length > 0) return found;
  }
  return [];
}
