import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { afterAll, describe, expect, test } from "vitest";
import { fixture } from "../../models/fixtures/test-fleet.ts";
import { messageType } from "../../models/protocol/messages.ts";
import { VARIANT_TYPES, type VariantType } from "../../models/protocol/variant.ts";
import { exchanged } from "./exchanges.ts";
import { type PublicRunner, startPublicRunner } from "./public-runner.ts";

type Step = [method: "Setup" | "Call" | "Rest", request: object];
interface Case {
  name: string;
  portable?: boolean;
  input: { steps: Step[] };
  expected: { runner: { steps: { bytes?: string; error?: { message: string } }[] } };
}
const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "../vectors");
const { cases } = JSON.parse(readFileSync(join(folder, "wire.json"), "utf8")) as { cases: Case[] };
const sessions = cases.filter((c) => c.name.startsWith("session/") && c.portable !== false);
/** The peer keeps methods of the instance before a Rest: sessions that ask about an instance get a process of their own. */
const STATEFUL = /"methodName":"(count|init_args)"/;
/** Texts of Python itself, which change with its version. */
const PYTHON_TEXT = /bad-double-argument|bad-json-argument|missing-argument|too-many-arguments|int-too-big/;

const typeOf = (name: string) => messageType<Record<string, unknown>>(`dynamic_subclass.${name}`);
const bytesOf = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(bytesOf);
  if (typeof value !== "object" || value === null) return value;
  const field = (key: string, item: unknown) => {
    if (key === "value") return Buffer.from(item as string, "base64");
    return key === "type" ? (VARIANT_TYPES[item as VariantType] ?? item) : bytesOf(item);
  };
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, field(key, item)]));
};

/** Our messages, made by our codec, get from the installed package the very bytes that the vectors recorded. */
export function recordedSessions(python: string): void {
  describe("our messages to crunch-model-runner: the recorded sessions, byte for byte", () => {
    const start = () =>
      startPublicRunner(python, {
        code: fixture("submission.py"),
        packages: [fixture("packages")],
        fileName: "submission_shared.py", // as when they were recorded: one answer names the module
      });
    let shared: PublicRunner | undefined;
    afterAll(() => shared?.kill());

    test.each(sessions.map((c) => [c.name, c] as const))("%s", async (name, { input, expected }) => {
      const own = STATEFUL.test(JSON.stringify(input)) ? await start() : undefined;
      shared ??= own ? undefined : await start();
      const client = new Client(`127.0.0.1:${(own ?? shared)!.port}`, credentials.createInsecure());
      const send = ([method, request]: Step) =>
        new Promise<Buffer>((resolve, reject) => {
          const bytes =
            method === "Rest"
              ? Buffer.alloc(0)
              : typeOf(`${method}Request`).serialize(bytesOf(request) as Record<string, unknown>);
          client.makeUnaryRequest(
            `/dynamic_subclass.DynamicSubclassService/${method}`,
            (b: Buffer) => b,
            (b) => b,
            bytes,
            (error, answer) => (error ? reject(error) : resolve(answer as Buffer)),
          );
        });
      try {
        for (const [i, step] of input.steps.entries()) {
          const theirs = expected.runner.steps[i]!;
          if (theirs.error) await expect(send(step)).rejects.toThrow(theirs.error.message);
          else {
            const got = await send(step);
            const readable = typeOf(`${step[0]}Response`).deserialize(got) as { status: { code: string } };
            if (PYTHON_TEXT.test(name))
              expect(readable.status.code).toBe(codeIn(step[0], Buffer.from(theirs.bytes!, "base64")));
            else expect(got.toString("base64"), JSON.stringify(readable)).toBe(theirs.bytes);
          }
          exchanged();
        }
      } finally {
        if (!own) await send(["Rest", {}]);
        client.close();
        await own?.kill();
      }
    });
  });
}

const codeIn = (method: Step[0], bytes: Buffer): string =>
  (typeOf(`${method}Response`).deserialize(bytes) as { status: { code: string } }).status.code;
