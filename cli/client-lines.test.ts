import { describe, expect, test } from "vitest";
import { type ModelResult, Table } from "../models/client/index.ts";
import { encodeVariant } from "../models/protocol/variant.ts";
import { readCommand, resultLine, writeLine } from "./client-lines.ts";

const call = (args: string) => readCommand(`{"op":"call","method":"m","args":[${args}]}`);
const bytes = async (args: string): Promise<string[]> => {
  const command = await call(args);
  if (command.op !== "call") return expect.unreachable();
  return command.arguments.map(({ type, value }) => Buffer.from(encodeVariant(type, value).value).toString());
};

describe("commands", () => {
  test("as the issue writes them", async () => {
    expect(
      await readCommand(
        '{"op":"call","method":"predict","args":[["STRING","BTC"],["INT",60],["JSON",{}]],"kwargs":{"k":["INT",1]}}',
      ),
    ).toEqual({
      op: "call",
      method: "predict",
      arguments: [
        { type: "STRING", value: "BTC" },
        { type: "INT", value: 60 },
        { type: "JSON", value: {} },
      ],
      kwargs: [{ keyword: "k", type: "INT", value: 1 }],
    });
    expect(await readCommand('{"op":"call","method":"m","models":[],"timeout":0.5}')).toMatchObject({
      models: [],
      timeoutMs: 500,
      arguments: [],
      kwargs: [],
    });
    expect([await readCommand('{"op":"models"}'), await readCommand('{"op":"exit"}')]).toEqual([
      { op: "models" },
      { op: "exit" },
    ]);
  });

  test("numbers reach a Python model as they were written", async () => {
    expect(await bytes('["JSON",{"a":1.0,"b":1,"c":1.5,"d":12345678901234567890,"e":1e3}]')).toEqual([
      '{"a": 1.0, "b": 1, "c": 1.5, "d": 12345678901234567890, "e": 1000.0}',
    ]);
    const command = await call('["INT",9223372036854775807],["INT",-9223372036854775808],["DOUBLE",2.0]');
    if (command.op !== "call") return expect.unreachable();
    const encoded = command.arguments.map(({ type, value }) => Buffer.from(encodeVariant(type, value).value));
    expect(encoded[0]!.readBigInt64LE()).toBe(9223372036854775807n);
    expect(encoded[1]!.readBigInt64LE()).toBe(-9223372036854775808n);
    return expect(encoded[2]!.readDoubleLE()).toBe(2);
  });

  test("a table is its columns, or the base64 of its file", async () => {
    const table = new Table([{ name: "x", values: [1.5, 2.5] }]);
    for (const type of ["PARQUET", "ARROW"] as const) {
      const file = Buffer.from(encodeVariant(type, table).value).toString("base64");
      const command = await call(`["${type}",{"x":[1.5,2.5]}],["${type}","${file}"]`);
      if (command.op !== "call") return expect.unreachable();
      expect(command.arguments.map(({ value }) => (value as Table).rows)).toEqual([table.rows, table.rows]);
    }
    await expect(call('["PARQUET",5]')).rejects.toThrow(/BAD_TABLE: a table is/);
    return expect(call('["PARQUET","AAAA"]')).rejects.toThrow(/BAD_TABLE: not a parquet file/);
  });

  test.each([
    ["no JSON at all", "predict BTC", /^not JSON/],
    ["a bare NaN", '{"op":"call","method":"m","args":[["DOUBLE",NaN]]}', /^not JSON/],
    ["a list", "[1]", /expected object/],
    ["another operation", '{"op":"destroy"}', /^op: must be "call", "models" or "exit"/],
    ["no method", '{"op":"call"}', /^method: /],
    ["an unknown type", '{"op":"call","method":"m","args":[["FLOAT",1]]}', /^args\.0\.0: .*"DOUBLE"/],
    ["no pair", '{"op":"call","method":"m","args":[60]}', /^args\.0: must be \[TYPE, value\]/],
    ["a bad keyword argument", '{"op":"call","method":"m","kwargs":{"k":1}}', /^kwargs\.k: must be \[TYPE, value\]/],
  ])("%s is refused and told", async (_name, line, problem) => {
    await expect(readCommand(line)).rejects.toThrow(problem);
  });
});

const result = (more: Partial<ModelResult>): ModelResult => ({
  model_id: "a",
  deployment_id: "d",
  status: "SUCCESS",
  output: { value: 1 },
  exec_time_us: 5,
  model_name: "A",
  cruncher_name: "C",
  cruncher_id: "c",
  detail: null,
  ...more,
});

describe("results", () => {
  test("have the names that the issue gives, and no others", () => {
    expect(resultLine(result({}))).toEqual({
      model_id: "a",
      deployment_id: "d",
      status: "SUCCESS",
      result: { value: 1 },
      exec_time_us: 5,
      model_name: "A",
      cruncher_name: "C",
      cruncher_id: "c",
      detail: null,
    });
  });
  test.each([
    ["FAILURE", "MODEL_FAILED: boom", "FAILURE", "MODEL_FAILED: boom"],
    ["TIMEOUT", "DEADLINE_EXCEEDED: no answer in time", "TIMEOUT", "DEADLINE_EXCEEDED: no answer in time"],
    ["SKIPPED", "PREEMPTIVE_SKIP: 3 consecutive timeouts", "TIMEOUT", "PREEMPTIVE_SKIP: 3 consecutive timeouts"],
    ["SKIPPED", "BUSY: still at work", "TIMEOUT", "PREEMPTIVE_SKIP: BUSY: still at work"],
  ] as const)("%s (%s) is shown as %s (%s)", (status, detail, shown, why) => {
    expect(resultLine(result({ status, detail }))).toMatchObject({ status: shown, detail: why });
  });
  test("long integers keep their digits, tables are columns", () => {
    const table = new Table([{ name: "x", values: [1n << 60n, new Date(0)] }]);
    expect(writeLine({ a: 2n ** 63n, t: table, b: new Uint8Array([1, 2]) })).toBe(
      '{"a":9223372036854775808,"t":{"x":[1152921504606846976,"1970-01-01T00:00:00.000Z"]},"b":"AQI="}',
    );
  });
});
