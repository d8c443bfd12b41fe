// The type of a field or a body as one line of text, `{service: string, weight?: number or string}`: for the reference and for errors.
import { z } from "zod";

interface Schema {
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

/** The paths of all keys in an answer, `instances[].weight`; NAME stands for keys that are names. */
export function keysOf(type: z.ZodType): string[] {
  return keysIn(z.toJSONSchema(type, { io: "output", unrepresentable: "any" }) as Schema, "");
}

function keysIn(schema: Schema, path: string): string[] {
  const below = (schema.anyOf ?? []).flatMap((one) => keysIn(one, path));
  if (schema.items) below.push(...keysIn(schema.items, `${path}[]`));
  const { additionalProperties: named } = schema;
  const under = (name: string) => (path === "" ? name : `${path}.${name}`);
  if (typeof named === "object" && Object.keys(named).length > 0) below.push(...keysIn(named, under("NAME")));
  for (const [name, field] of Object.entries(schema.properties ?? {}))
    below.push(under(name), ...keysIn(field, under(name)));
  return [...new Set(below)];
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
