// Whether a document has the documented keys and no others, times as RFC 3339, and units where numbers are.
import { z } from "zod";
import type { Schema } from "../../src/api/schema-text.ts";

const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
const TIME_KEY = /(?:^|_)(?:at|until|since)$/;

/** What does not fit, a line each with its path; none when all is as it is documented. */
export function jsonMisfits(type: z.ZodType, value: unknown): string[] {
  const schema = z.toJSONSchema(type, { io: "output", unrepresentable: "any" }) as Schema;
  return [...walk(schema, value, ""), ...badTimes(value, "")];
}

function walk(schema: Schema, value: unknown, path: string): string[] {
  if (schema.anyOf) {
    const all = schema.anyOf.map((one) => walk(one, value, path));
    return (
      all.find((misfits) => misfits.length === 0) ?? all.toSorted((a, b) => a.length - b.length)[0] ?? []
    );
  }
  if (schema.const !== undefined) return schema.const === value ? [] : [`${path}: ${value}`];
  if (schema.enum) return schema.enum.includes(value) ? [] : [`${path}: ${value}`];
  if (schema.items) {
    if (!Array.isArray(value)) return [`${path}: no list`];
    const { items } = schema;
    return value.flatMap((one, at) => walk(items, one, `${path}[${at}]`));
  }
  if (schema.properties || schema.additionalProperties) return walkObject(schema, value, path);
  const types = schema.type === undefined ? [] : [schema.type].flat();
  const is = value === null ? "null" : typeof value;
  const fits = types.length === 0 || types.includes(is) || (types.includes("integer") && is === "number");
  return fits ? [] : [`${path}: ${is}`];
}

function walkObject(schema: Schema, value: unknown, path: string): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${path}: no object`];
  const { properties = {}, required = [], additionalProperties: more } = schema;
  const missing = required
    .filter((key) => !Object.hasOwn(value, key))
    .map((key) => `${path}.${key} is missing`);
  const isOpen = typeof more === "object";
  const unknown = isOpen
    ? []
    : Object.keys(value)
        .filter((key) => !Object.hasOwn(properties, key))
        .map((key) => `${path}.${key} is not documented`);
  const below = Object.entries(value).flatMap(([key, one]) => {
    const known = properties[key] ?? (isOpen ? more : undefined);
    return known ? walk(known, one, `${path}.${key}`) : [];
  });
  return [...missing, ...unknown, ...below];
}

function badTimes(value: unknown, path: string): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => {
    const isTime = TIME_KEY.test(key) && !Array.isArray(value) && one !== null && typeof one !== "object";
    const bad = isTime && !(typeof one === "string" && RFC_3339.test(one));
    return [
      ...(bad ? [`${path}.${key}: ${one} is no time of RFC 3339`] : []),
      ...badTimes(one, `${path}.${key}`),
    ];
  });
}

/** Keys of numbers in a shape that say no unit and are not among `counts`. */
export function keysWithoutUnit(type: z.ZodType, counts: ReadonlySet<string>): string[] {
  const found = new Set<string>();
  const look = (schema: Schema, key: string) => {
    for (const one of schema.anyOf ?? []) look(one, key);
    if (schema.items) look(schema.items, key);
    if (typeof schema.additionalProperties === "object") look(schema.additionalProperties, key);
    for (const [name, field] of Object.entries(schema.properties ?? {})) look(field, name);
    const isNumber = [schema.type].flat().some((one) => one === "number" || one === "integer");
    if (isNumber && !UNIT.test(key) && !counts.has(key)) found.add(key);
  };
  look(z.toJSONSchema(type, { io: "output", unrepresentable: "any" }) as Schema, "");
  return [...found].toSorted();
}

const UNIT = /(?:^|_)(?:secs|ms|bytes|percent|points|days|per_sec|mb)(?:$|_)|_left$/;
