import { z } from "zod";

type JsonSchema = z.core.JSONSchema.JSONSchema;
type Defs = Readonly<Record<string, JsonSchema | boolean>>;

/** Numbers of all sizes and both signs, prices among them: values that a scorer must be able to tell apart. */
const NUMBERS = [0.5, -0.7, 2, -3, 100, 0.01, -0.02, 101.5, 0];
const DEEPEST = 6;
/** How a schema refers to itself. */
const ROOT = "#";
/** Between a bound and no bound. */
const SPAN = 100;

/**
 * Up to `count` different values that a schema takes, made from its JSON Schema; fewer, or none, where it has rules that JSON Schema cannot say.
 */
export function sampleValues<T>(schema: z.ZodType<T>, count: number): T[] {
  const json = jsonSchemaOf(schema);
  if (!json) return [];
  const found = new Map<string, T>();
  for (let i = 0; i < 4 * count && found.size < count; i++) {
    const parsed = schema.safeParse(sampleOf(json, { ...(json.$defs as Defs), [ROOT]: json }, i, 0));
    if (parsed.success) found.set(JSON.stringify(parsed.data), parsed.data);
  }
  return [...found.values()];
}

function jsonSchemaOf(schema: z.ZodType): JsonSchema | null {
  try {
    return z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
  } catch {
    return null;
  }
}

function sampleOf(given: JsonSchema | boolean, defs: Defs, i: number, depth: number): unknown {
  const schema = typeof given === "boolean" ? {} : given;
  if (schema.$ref !== undefined) return sampleOf(defs[schema.$ref.split("/").at(-1)!] ?? {}, defs, i, depth + 1);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[i % schema.enum.length];
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return sampleOf(options[depth > DEEPEST ? 0 : i % options.length]!, defs, i, depth + 1);
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((part) => sampleOf(part, defs, i, depth + 1)));
  switch (schema.type) {
    case "object":
      return objectOf(schema, defs, i, depth);
    case "array":
      return arrayOf(schema, defs, i, depth);
    case "number":
    case "integer":
      return numberOf(schema, i);
    case "string":
      return stringOf(schema, i);
    case "boolean":
      return i % 2 === 0;
    default:
      return null;
  }
}

function objectOf(schema: JsonSchema, defs: Defs, i: number, depth: number): Record<string, unknown> {
  const properties = Object.entries(schema.properties ?? {});
  const open = typeof schema.additionalProperties === "object" && properties.length === 0;
  const all = open ? [["a", schema.additionalProperties!] as const] : properties;
  return Object.fromEntries(all.map(([name, inner], place) => [name, sampleOf(inner, defs, i + place, depth + 1)]));
}

function arrayOf(schema: JsonSchema, defs: Defs, i: number, depth: number): unknown[] {
  const fixed = (schema.prefixItems ?? []).map((item, place) => sampleOf(item, defs, i + place, depth + 1));
  const count =
    depth > DEEPEST ? (schema.minItems ?? 0) : Math.max(schema.minItems ?? 1, Math.min(2, schema.maxItems ?? 2));
  const item = schema.items as JsonSchema | boolean | undefined;
  const more = item === undefined || item === false ? 0 : Math.max(0, count - fixed.length);
  return [...fixed, ...Array.from({ length: more }, (_, place) => sampleOf(item!, defs, i + place, depth + 1))];
}

/** One of NUMBERS where the bounds let it, else a point between them. */
function numberOf(schema: JsonSchema, i: number): number {
  const low = Math.max(bound(schema.minimum, -Infinity), bound(schema.exclusiveMinimum, -Infinity));
  const high = Math.min(bound(schema.maximum, Infinity), bound(schema.exclusiveMaximum, Infinity));
  const whole = schema.type === "integer";
  const step = NUMBERS[i % NUMBERS.length]!;
  const wanted = whole ? Math.round(step) : step;
  if (wanted > low && wanted < high) return wanted;
  const from = Number.isFinite(low) ? low : Number.isFinite(high) ? high - SPAN : 0;
  const to = Number.isFinite(high) ? high : from + SPAN;
  const between = from + ((to - from) * ((i % 7) + 1)) / 8;
  return whole ? Math.round(between) : between;
}

/** The bounds of a whole number that is only safe bound nothing. */
const bound = (limit: unknown, none: number): number =>
  typeof limit === "number" && Math.abs(limit) < Number.MAX_SAFE_INTEGER ? limit : none;

function stringOf({ format, minLength = 1, maxLength }: JsonSchema, i: number): string {
  if (format === "date-time") return new Date(Date.UTC(2026, 0, 1, i)).toISOString();
  if (format === "date") return "2026-01-01";
  const text = `sample${i}`;
  return text.padEnd(minLength, "x").slice(0, maxLength ?? Math.max(minLength, text.length));
}
