import { readFileSync } from "node:fs";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { fixture, until } from "../fixtures/test-fleet.ts";
import { startTestHost, type TestHost, type Value } from "../fixtures/test-host.ts";
import { readJson } from "../protocol/json-read.ts";
import { service } from "../protocol/messages.ts";
import { encodeVariant, type Variant } from "../protocol/variant.ts";
import { createModelServer, type ModelServer } from "./model-server.ts";
import { TRAIN_INFER_SERVICES } from "./train-infer-methods.ts";

const GENERATOR = readFileSync(fixture("infer_stream/main.py"), "utf8");
const PLAIN =
  "seen = []\ndef infer(value):\n    if value is None: raise ValueError('none')\n    seen.append(value)\n    return float(len(seen))\n";

/** A server and a client of one model, by the raw methods of the service. */
async function serve(name: string, files: Record<string, string>) {
  const model: TestHost = await startTestHost(files);
  const server: ModelServer = await createModelServer({ host: "127.0.0.1", firstPort: 0, model: model.host });
  const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  const ask = <T>(method: string, request: object): Promise<T> => {
    const it = service(name)[method]!;
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(it.path, it.requestSerialize, it.responseDeserialize, request, (error, answer) =>
        error ? reject(error) : resolve(answer as T),
      );
    });
  };
  return {
    model,
    setup: () => ask("Setup", {}),
    reinitialize: () => ask("Reinitialize", {}),
    infer: async (...value: Value) => {
      const { prediction } = await ask<{ prediction: Variant | null }>("Infer", { argument: encodeVariant(...value) });
      return prediction;
    },
    async [Symbol.asyncDispose]() {
      client.close();
      server.close();
      await model[Symbol.asyncDispose]();
    },
  };
}
const json = (prediction: Variant | null) => readJson(prediction!.value);
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable(),
    ({ code, details }: ServiceError) => [code, details],
  );

describe.each([...TRAIN_INFER_SERVICES])("%s", (name) => {
  test("a generator keeps its state, and is primed again after an error and by Reinitialize", async () => {
    await using served = await serve(name, { "main.py": GENERATOR });
    expect(await failure(served.infer("INT", 1))).toEqual([
      status.FAILED_PRECONDITION,
      "Setup has not been called yet",
    ]);
    await served.setup();
    await served.setup();
    expect(json(await served.infer("STRING", "a"))).toEqual({ value: "a", seen: 1 });
    expect(json(await served.infer("DOUBLE", 0.5))).toEqual({ value: 0.5, seen: 2 });
    expect(await failure(served.infer("STRING", "raise"))).toEqual([
      status.INTERNAL,
      "The model raised an exception: bad tick",
    ]);
    expect(json(await served.infer("NONE", null))).toEqual({ value: null, seen: 1 });
    expect(await failure(served.infer("STRING", "end"))).toEqual([
      status.INTERNAL,
      expect.stringMatching(/the generator of infer\(\) ended/),
    ]);
    expect(json(await served.infer("INT", 2))).toEqual({ value: 2, seen: 1 });
    expect(await failure(served.infer("STRING", "twice"))).toEqual([
      status.INTERNAL,
      expect.stringMatching(/asked for a value that has not come/),
    ]);
    expect(json(await served.infer("INT", 3))).toEqual({ value: 3, seen: 1 });
    expect(json(await served.infer("INT", 4))).toEqual({ value: 4, seen: 2 });
    await served.reinitialize();
    expect(json(await served.infer("INT", 5))).toEqual({ value: 5, seen: 1 });
  });

  test("a process that ends is unavailable once, and set up again", async () => {
    await using served = await serve(name, { "main.py": GENERATOR });
    await served.setup();
    expect(await failure(served.infer("STRING", "exit"))).toEqual([
      status.UNAVAILABLE,
      expect.stringMatching(/exited with 3/),
    ]);
    await until(served.model.host.state, (state) => state === "READY");
    expect(json(await served.infer("INT", 5))).toEqual({ value: 5, seen: 1 });
  });

  test("a plain function", async () => {
    await using served = await serve(name, { "main.py": PLAIN });
    await served.setup();
    expect((await served.infer("INT", 5))?.value.length).toBe(8);
    expect(await failure(served.infer("NONE", null))).toEqual([status.INTERNAL, "The model raised an exception: none"]);
    await served.reinitialize();
    expect(Buffer.from((await served.infer("INT", 5))!.value).readDoubleLE()).toBe(2);
  });

  test("a submission without infer, and one that is a class, say so", async () => {
    await using none = await serve(name, { "main.py": "def train(): pass\n" });
    expect(await failure(none.setup())).toEqual([
      status.UNKNOWN,
      "BAD_IMPLEMENTATION: no `infer` function found in main.py",
    ]);
    await using other = await serve(name, { "m.py": "from goldbase.core import Base\nclass M(Base): pass\n" });
    await other.model.setup();
    expect(await failure(other.infer("INT", 1))).toEqual([
      status.FAILED_PRECONDITION,
      "This model is no train/infer model",
    ]);
    expect(await failure(other.setup())).toEqual([
      status.FAILED_PRECONDITION,
      "This model is set up already, as goldbase.core.Base",
    ]);
  });
});
