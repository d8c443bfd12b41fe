// Fields that several operations take, and how a parser of ours becomes the check of a field.
import { z } from "zod";
import { Fault } from "../core/fault.ts";

/** A text that `parse` reads: the Fault that it throws becomes what is said of the field. */
export function checked<T>(parse: (text: string) => T) {
  return z.string().transform(reading(parse));
}

/** The same of a number as JSON writes it, or as people do. */
export function checkedNumber<T>(parse: (value: number | string) => T) {
  return z.union([z.number(), z.string()]).transform(reading(parse));
}

function reading<V, T>(parse: (value: V) => T) {
  return (value: V, context: z.RefinementCtx<V>): T => {
    try {
      return parse(value);
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      context.addIssue({ code: "custom", message: [thrown.message, thrown.hint].filter(Boolean).join("; ") });
      return z.NEVER;
    }
  };
}

export const flag = z.boolean().default(false);
export const queryFlag = z
  .enum(["true", "false", "1", "0"])
  .default("false")
  .transform((text) => text === "true" || text === "1");
export const count = (fallback: number, max: number) =>
  z.coerce.number().int().min(0).max(max).default(fallback);
