// The shape of a JSON value: which fields there are, and of what kind; not what they say.
import { fold } from "./path-pattern.ts";

export type Kind = "object" | "array" | "string" | "number" | "boolean" | "null";

/** The kinds of what stands at each path: `.items[].price`. */
export type Shape = ReadonlyMap<string, ReadonlySet<Kind>>;

const MOST_PATHS = 300;
const MOST_ELEMENTS = 20;
const MOST_DEPTH = 8;

/** Of a text that is JSON; undefined: it is none. */
export function shapeOf(text: string): Shape | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const shape = new Map<string, Set<Kind>>();
  visit(shape, "", value, 0);
  return shape;
}

function visit(shape: Map<string, Set<Kind>>, path: string, value: unknown, depth: number): void {
  const kinds = shape.get(path) ?? new Set();
  if (kinds.size === 0 && shape.size >= MOST_PATHS) return;
  shape.set(path, kinds.add(kindOf(value)));
  if (depth >= MOST_DEPTH || typeof value !== "object" || value === null) return;
  if (Array.isArray(value))
    for (const element of value.slice(0, MOST_ELEMENTS)) visit(shape, `${path}[]`, element, depth + 1);
  else
    for (const [key, member] of Object.entries(value))
      visit(shape, `${path}.${fold(key)}`, member, depth + 1);
}

function kindOf(value: unknown): Kind {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value as Kind;
}

/**
 * In which they differ, as `.total: number -> string`; of what is missing only the outermost. An empty array says nothing
 * about its elements.
 */
export function shapeDifferences(stable: Shape, canary: Shape): string[] {
  const differences: string[] = [];
  const paths = new Set([...stable.keys(), ...canary.keys()]);
  if (stable.size >= MOST_PATHS || canary.size >= MOST_PATHS) return differences;
  for (const path of paths) {
    const [theirs, ours] = [stable.get(path), canary.get(path)];
    const isBoth = theirs !== undefined && ours !== undefined;
    if (isBoth && !theirs.isDisjointFrom(ours)) continue;
    if (!isBoth && !isTold(path, stable, canary)) continue;
    differences.push(`${path === "" ? "the whole" : path}: ${said(theirs)} -> ${said(ours)}`);
  }
  return differences;
}

/** Whether something missing is a difference of its own: what it would stand in is there on both sides, and no array. */
function isTold(path: string, stable: Shape, canary: Shape): boolean {
  if (path.endsWith("[]")) return false;
  const parent = path.slice(0, path.lastIndexOf("."));
  return stable.get(parent)?.has("object") === true && canary.get(parent)?.has("object") === true;
}

function said(kinds: ReadonlySet<Kind> | undefined): string {
  return kinds === undefined ? "missing" : [...kinds].sort().join(" or ");
}
