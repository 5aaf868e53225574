import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fixture, quiet, until } from "../fixtures/test-fleet.ts";
import { messageType } from "../protocol/messages.ts";
import { VARIANT_TYPES, type VariantType } from "../protocol/variant.ts";
import { findInterpreters } from "./python.ts";
import { createRunner, type Runner } from "./runner.ts";

type Step = [method: "Setup" | "Call" | "Rest", request: object];
interface Case {
  name: string;
  input: { steps: Step[] };
  expected: {
    runner: { steps: { bytes?: string; message?: { status?: { code: string; message: string } }; error?: object }[] };
  };
}
const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "../../tests/vectors");
const { cases } = JSON.parse(readFileSync(join(folder, "wire.json"), "utf8")) as { cases: Case[] };
const sessions = cases.filter((c) => c.name.startsWith("session/"));

/** Where our runner answers otherwise on purpose: the code it gives and what its message says. */
const DELIBERATE: Record<string, { code: string; message: RegExp; why: string }> = {
  "session/setup-none-argument": { code: "SUCCESS", message: /created/, why: "None is a value like any other" },
  "session/not-callable": {
    code: "BAD_IMPLEMENTATION",
    message: /not found/,
    why: "the peer's servicer itself raises",
  },
  "session/private-name-allowed": {
    code: "BAD_IMPLEMENTATION",
    message: /not found/,
    why: "names with an underscore are not for callers",
  },
  "session/return-nan": { code: "MODEL_FAILED", message: /^NOT_FINITE: .*nan/, why: "NaN is no answer" },
  "session/return-nan-inside-json": { code: "MODEL_FAILED", message: /^NOT_FINITE: v is nan/, why: "NaN is no answer" },
  "session/none-argument-fails": { code: "SUCCESS", message: /^$/, why: "None is a value like any other" },
  "session/rest-then-setup-keeps-old-methods": {
    code: "SUCCESS",
    message: /^$/,
    why: "after Rest and Setup the new instance answers: the count begins anew",
  },
};
// Python's own texts, which change from version to version, and ours, which say more.
const SAME_CODE_ONLY = new Set(["session/arrow-argument-fails", "session/raises-without-message"]);

const typeOf = (name: string) => messageType<Record<string, unknown>>(`dynamic_subclass.${name}`);
const bytesOf = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(bytesOf);
  if (typeof value !== "object" || value === null) return value;
  const field = (key: string, item: unknown) =>
    key === "value"
      ? Buffer.from(item as string, "base64")
      : key === "type" && typeof item === "string"
        ? VARIANT_TYPES[item as VariantType]
        : bytesOf(item);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, field(key, item)]));
};

describe("recorded sessions of the public runner", () => {
  let runner: Runner;
  let state: string;
  beforeAll(async () => {
    state = mkdtempSync(join(tmpdir(), "almanac-sessions-"));
    runner = await createRunner({
      host: "127.0.0.1",
      firstPort: 0,
      sandbox: "auto",
      interpreters: await findInterpreters("python3"),
      stateDir: state,
      logger: quiet,
      onChange: () => undefined,
    });
    const models = sessions.map((c, i) => ({
      deploymentId: c.name,
      modelId: String(i),
      version: "1",
      code: fixture("submission.py"),
      packages: [fixture("packages")],
      trusted: true,
    }));
    runner.apply(models);
    await until(
      () => runner.info().models,
      (seen) => seen.every((model) => model.state === "RUNNING"),
    );
  });
  afterAll(async () => {
    await runner.close();
    rmSync(state, { recursive: true, force: true });
  });

  test.each(sessions.map((c) => [c.name, c] as const))("%s", async (name, { input, expected }) => {
    const port = runner.info().models.find((model) => model.deploymentId === name)?.port;
    const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
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
    const deliberate = DELIBERATE[name];
    for (const [i, step] of input.steps.entries()) {
      const ours = await send(step);
      const theirs = expected.runner.steps[i]!;
      const readable = typeOf(`${step[0]}Response`).deserialize(ours) as {
        status: { code: string; message: string };
        methodResponse: { value: Buffer } | null;
      };
      const isLast = i === input.steps.length - 1;
      if (deliberate && (isLast || deliberate.why.startsWith("None"))) {
        if (!isLast) continue;
        expect(readable.status).toMatchObject({
          code: deliberate.code,
          message: expect.stringMatching(deliberate.message),
        });
        if (name.includes("rest-then-setup")) expect(readable.methodResponse?.value.readBigInt64LE()).toBe(1n);
      } else if (SAME_CODE_ONLY.has(name) && isLast) expect(readable.status.code).toBe(theirs.message?.status?.code);
      else expect(ours.toString("base64"), JSON.stringify(readable)).toBe(theirs.bytes);
    }
    client.close();
  });
});
