// How two answers to the same request differ, as far as that can be told without knowing what they mean.
import { type Shape, shapeDifferences } from "./json-shape.ts";

/** An answer to a copy, as far as it is compared. */
export interface CopyAnswer {
  /** 0: there was none. */
  readonly status: number;
  /** The media type, without parameters, in lower case; empty: it has none. */
  readonly type: string;
  /** Undefined: longer than is read. */
  readonly bytes: number | undefined;
  /** Of JSON. */
  readonly shape: Shape | undefined;
  /** Until its head. */
  readonly ms: number;
}

/** Sizes that differ by less than this factor, or by fewer bytes, are what differs from one request to the next. */
const MOST_TIMES = 2;
const LEAST_BYTES = 512;
const MOST_TOLD = 5;

/** Each begins with what it is about: `status 200 -> 500`, `type text/html -> application/json`, `.total: number -> string`, `size`. */
export function differencesOf(stable: CopyAnswer, canary: CopyAnswer): readonly string[] {
  if (stable.status !== canary.status)
    return [`status ${statusText(stable.status)} -> ${statusText(canary.status)}`];
  if (stable.type !== canary.type) return [`type ${stable.type || "none"} -> ${canary.type || "none"}`];
  const shape =
    stable.shape === undefined || canary.shape === undefined
      ? []
      : shapeDifferences(stable.shape, canary.shape);
  return (isOtherSize(stable.bytes, canary.bytes) ? ["size", ...shape] : shape).slice(0, MOST_TOLD);
}

function statusText(status: number): string {
  return status === 0 ? "no answer" : String(status);
}

function isOtherSize(stable: number | undefined, canary: number | undefined): boolean {
  if (stable === canary || (stable ?? canary) === undefined) return false;
  if (stable === undefined || canary === undefined) return true;
  const [less, more] = stable < canary ? [stable, canary] : [canary, stable];
  return more - less >= LEAST_BYTES && more >= less * MOST_TIMES;
}

/** 5xx, or no answer at all. */
export function isFailure({ status }: CopyAnswer): boolean {
  return status === 0 || status >= 500;
}

export function isRejection({ status }: CopyAnswer): boolean {
  return status >= 400 && status < 500;
}
