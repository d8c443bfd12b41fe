// The type of a field or a body as one line of text, `{service: string, weight?: number or string}`: for the reference and for errors.
import { z } from "zod";

/** A JSON Schema, as far as ours have it. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly default?: unknown;
}

/** What a caller sends (`input`), or what is answered (`output`). */
export function schemaText(type: z.ZodType, io: "input" | "output"): string {
  return written(z.toJSONSchema(type, { io, unrepresentable: "any" }) as Schema);
}

function written(schema: Schema): string {
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (schema.anyOf) return schema.anyOf.map(written).join(" or ");
  if (schema.items) return `[${written(schema.items)}, ...]`;
  if (schema.properties) {
    const fields = Object.entries(schema.properties).map(([name, field]) => {
      const optional = schema.required?.includes(name) ? "" : "?";
      const fallback = field.default === undefined ? "" : ` = ${JSON.stringify(field.default)}`;
      return `${name}${optional}: ${written(field)}${fallback}`;
    });
    return `{${fields.join(", ")}}`;
  }
  if (typeof schema.additionalProperties === "object")
    return `{NAME: ${written(schema.additionalProperties)}, ...}`;
  return schema.type === undefined ? "anything" : [schema.type].flat().join(" or ");
}
