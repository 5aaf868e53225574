import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { float } from "../models/protocol/json-write.ts";
import { type Argument, type CallRequest, callBytes, callRequest, messageType } from "../models/protocol/messages.ts";
import { VARIANT_TYPES, type VariantType } from "../models/protocol/variant.ts";

interface Case {
  name: string;
  fn: string;
  portable?: boolean;
  input: Record<string, unknown>;
  expected: {
    both?: { bytes?: string; value?: unknown; reserialized?: string; error?: unknown };
    client?: { error?: unknown };
    bytes?: string;
    error?: unknown;
    arguments?: { type: number }[];
  };
}
const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "vectors");
const { cases } = JSON.parse(readFileSync(join(folder, "wire.json"), "utf8")) as { cases: Case[] };
const of = (prefix: string) =>
  cases.filter((c) => c.portable !== false && c.name.startsWith(prefix)).map((c) => [c.name, c] as const);

const PACKAGE: Record<string, string> = {
  Variant: "commons",
  Argument: "commons",
  KwArgument: "commons",
  Status: "commons",
  InferRequest: "train_infer",
  InferResponse: "train_infer",
  HealthCheckRequest: "grpc.health.v1",
  HealthCheckResponse: "grpc.health.v1",
  Empty: "google.protobuf",
};
const typeOf = (name: string) => messageType<Record<string, unknown>>(`${PACKAGE[name] ?? "dynamic_subclass"}.${name}`);

/** `value` fields are base64 in the file, types may be names. */
function withBytes(message: unknown): unknown {
  if (Array.isArray(message)) return message.map(withBytes);
  if (typeof message !== "object" || message === null) return message;
  const field = (key: string, item: unknown) => {
    if (key === "value" && typeof item === "string") return Buffer.from(item, "base64");
    return key === "type" && typeof item === "string" ? VARIANT_TYPES[item as VariantType] : withBytes(item);
  };
  return Object.fromEntries(Object.entries(message).map(([key, item]) => [key, field(key, item)]));
}

describe("messages, encoded", () => {
  test.each(of("encode/"))("%s", (_name, { fn, input, expected }) => {
    const message = withBytes(input) as Record<string, unknown>;
    expect(typeOf(fn).serialize(message).toString("base64")).toBe(expected.both!.bytes);
  });
});

/** What protobufjs does otherwise, on purpose left so: no peer sends such bytes, and none of it reaches a decision unseen. */
const DELIBERATE: { name: RegExp; reason: string; becomes: "refused" | "taken" | "other" }[] = [
  { name: /unknown-field|group-wire-type/, reason: "unknown fields are dropped, not kept", becomes: "other" },
  { name: /data-twice-merged/, reason: "a message field that comes twice is replaced, not merged", becomes: "other" },
  { name: /wrong-wire-type/, reason: "a known field of another wire type ends the message", becomes: "refused" },
  { name: /field-number-0/, reason: "field number 0 is skipped like an unknown field", becomes: "taken" },
  {
    name: /bad-utf8/,
    reason: "bad UTF-8 in a text field becomes U+FFFD; statuses are compared by exact match",
    becomes: "taken",
  },
];

describe("messages, decoded", () => {
  test.each(of("decode/"))("%s", (name, { fn, input, expected }) => {
    const type = typeOf(fn);
    const decode = () => type.deserialize(Buffer.from(input.bytes as string, "base64"));
    const refusedByPeer = expected.both?.error ?? expected.client?.error;
    const becomes = DELIBERATE.find((entry) => entry.name.test(name))?.becomes;
    if (becomes === "refused" || (refusedByPeer && becomes !== "taken")) return expect(decode).toThrow();
    if (becomes === "taken") return expect(decode()).toBeTypeOf("object");
    const again = type.serialize(decode()).toString("base64");
    if (becomes === "other") return expect(again).not.toBe(expected.both!.reserialized);
    const wanted = withBytes(expected.both!.value) as Record<string, unknown>;
    expect(again).toBe(type.serialize(wanted).toString("base64"));
    return expect(again).toBe(expected.both!.reserialized);
  });
});

/** A Python float with a whole value. */
function untag(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(untag);
  if (typeof value !== "object" || value === null) return value;
  if ("$float" in value) return float(Number(value.$float));
  if ("$num" in value) return Number(value.$num);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, untag(item)]));
}

describe("the node's calls", () => {
  test.each(of("node-tick/"))("%s", (_name, { input, expected }) => {
    const bytes = callBytes(
      callRequest(input.method as string, [{ type: "JSON", value: untag(input.inference_input) }]),
    );
    expect(bytes.toString("base64")).toBe(expected.bytes);
  });

  const TYPES: Record<string, VariantType> = {
    STRING: "STRING",
    INT: "INT",
    FLOAT: "DOUBLE",
    DOUBLE: "DOUBLE",
    JSON: "JSON",
  };
  const fits = (type: VariantType | undefined, value: unknown) =>
    type === "STRING"
      ? typeof value === "string"
      : type === "INT"
        ? Number.isInteger(value)
        : type === "DOUBLE"
          ? typeof value === "number"
          : type === "JSON" && typeof value === "object";
  // 2 and 2.0 cannot be told apart in the file's scopes: JSON is compared as JSON.
  const readable = (bytes: Buffer) => {
    const { methodName, methodArguments } = messageType<CallRequest>("dynamic_subclass.CallRequest").deserialize(bytes);
    return {
      methodName,
      values: methodArguments.map(({ data }) =>
        data?.type === VARIANT_TYPES.JSON ? JSON.parse(String(data.value)) : data,
      ),
    };
  };
  // Converting a scope's values ("60" to 60), its defaults and unknown type names belong to the competition's contract, not to the wire.
  test.each(of("node-predict/"))("%s", (_name, { input, expected }) => {
    const scope = {
      ...(input.scope_defaults as object),
      ...Object.fromEntries(Object.entries(input.scope as object).filter(([, value]) => value !== null)),
    } as Record<string, unknown>;
    const args: Argument[] = (input.call_args as { name: string; type: string }[]).map(({ name, type }) => ({
      type: TYPES[type.toUpperCase()] ?? "STRING",
      value: untag(scope[name]),
    }));
    const call = () => callBytes(callRequest(input.method as string, args));
    if (!args.every(({ type, value }) => fits(type, value))) return expect(call).toThrow(/^BAD_TYPE: \w+ argument \d/);
    if (args.some(({ type }) => type === "JSON"))
      return expect(readable(call())).toEqual(readable(Buffer.from(expected.bytes!, "base64")));
    return expect(call().toString("base64")).toBe(expected.bytes);
  });
});
