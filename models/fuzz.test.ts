import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { outcomeOf } from "./client/outcome.ts";
import { createRoster } from "./client/roster.ts";
import { quiet } from "./fixtures/test-fleet.ts";
import { readReports } from "./orchestrator/event-server.ts";
import { messageType } from "./protocol/messages.ts";
import { Table } from "./protocol/tables.ts";
import { decodeVariant, encodeVariant, type Variant } from "./protocol/variant.ts";
import { VariantError } from "./protocol/variant-error.ts";

// Everything that eats bytes from outside: whatever comes, a value or a clear error comes out, and nothing else breaks.

const sane = async (variant: Variant): Promise<void> => {
  try {
    await decodeVariant(variant);
  } catch (error) {
    expect(error, `type ${variant.type}, ${Buffer.from(variant.value).toString("hex").slice(0, 200)}`).toBeInstanceOf(
      VariantError,
    );
  }
};

/** A valid message with a few bytes changed, cut or doubled. */
const mutated = (bytes: Uint8Array) =>
  fc
    .record({
      changes: fc.array(fc.tuple(fc.nat(Math.max(0, bytes.length - 1)), fc.nat(255)), { maxLength: 6 }),
      cut: fc.nat(bytes.length),
      isCut: fc.boolean(),
    })
    .map(({ changes, cut, isCut }) => {
      const copy = Buffer.from(bytes);
      for (const [at, value] of changes) copy[at] = value;
      return isCut ? copy.subarray(0, cut) : copy;
    });

describe("values of models", () => {
  test("any bytes under any type", () =>
    fc.assert(
      fc.asyncProperty(fc.constantFrom(0, 1, 2, 3, 6, 7, 9), fc.uint8Array({ maxLength: 300 }), (type, value) =>
        sane({ type, value }),
      ),
      { numRuns: 500 },
    ));

  const table = new Table([
    { name: "when", values: [1, 2, 3] },
    { name: "name", values: ["a", null, "c"] },
    { name: "value", values: [0.5, -1, 2] },
  ]);
  test.each(["PARQUET", "ARROW"] as const)(
    "%s files that were tampered with",
    (type) => {
      const whole = encodeVariant(type, table);
      return fc.assert(
        fc.asyncProperty(mutated(whole.value), (value) => sane({ type: whole.type, value })),
        { numRuns: 60 },
      );
    },
    60_000,
  );

  test("an answer with any status and value is judged", () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({ code: fc.string(), message: fc.string() }),
        fc.record({ type: fc.nat(9), value: fc.uint8Array({ maxLength: 60 }) }),
        async (status, methodResponse) => {
          const { status: judged, detail } = await outcomeOf({ status, methodResponse });
          expect(["SUCCESS", "FAILURE"]).toContain(judged);
          expect(detail === null || detail.length <= 500).toBe(true);
        },
      ),
    ));
});

describe("messages", () => {
  const types = [
    "dynamic_subclass.CallRequest",
    "almanac.fleet.CallManyRequest",
    "almanac.fleet.CallManyResponse",
    "almanac.fleet.SetupOneRequest",
  ];
  test.each(types)("%s of any bytes is read or refused", (name) =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        try {
          expect(messageType<object>(name).deserialize(Buffer.from(bytes))).toBeTypeOf("object");
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    ),
  );

  const init = Buffer.from(
    JSON.stringify({
      event: "init",
      data: [
        {
          deployment_id: "d",
          model_id: "m",
          state: "RUNNING",
          ip: "127.0.0.1",
          port: 5,
          infos: { model_name: "n" },
          almanac: { sandbox: "bwrap", fleet_port: 7 },
        },
      ],
    }),
  );
  const anything = fc.oneof(
    mutated(init).map(String),
    fc.json(),
    fc.json().map((data) => `{"event":"init","data":[${data}]}`),
    fc.json().map((data) => `{"event":"report_failure","data":[${data}]}`),
    fc.string(),
  );
  const lane = () => ({
    model: () => ({
      modelId: "",
      deploymentId: "",
      modelName: "",
      cruncherId: "",
      cruncherName: "",
      state: "CONNECTED" as const,
      address: "",
    }),
    isOpen: () => true,
    follow: () => undefined,
    deliver: () => expect.unreachable(),
    close: () => undefined,
  });

  test("of an orchestrator, whatever it says", () =>
    fc.assert(
      fc.property(anything, (text) => {
        const roster = createRoster({ logger: quiet, onChange: () => undefined, createLane: lane });
        expect(roster.take(text)).toBeTypeOf("boolean");
      }),
    ));

  test("of a client to the orchestrator", () =>
    fc.assert(
      fc.property(anything, (text) => {
        const { reports } = readReports(text);
        for (const report of reports) expect(report.model_id.length).toBeGreaterThan(0);
      }),
    ));
});
