import { connect } from "node:http2";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { until } from "../fixtures/test-fleet.ts";
import { startTestHost, type TestHost } from "../fixtures/test-host.ts";
import { type CallResponse, service } from "../protocol/messages.ts";
import type { Variant } from "../protocol/variant.ts";
import { createModelServer, type ModelServer } from "./model-server.ts";

const MODEL = `
import time
from goldbase.core import Base
class M(Base):
    def echo(self, *values): return list(values)
    def slow(self):
        time.sleep(1)
        return 1.5
`;
const CALLS = "dynamic_subclass.DynamicSubclassService";
const HEALTH = "grpc.health.v1.Health";
const [SERVING, NOT_SERVING, SERVICE_UNKNOWN] = [1, 2, 3];

let model: TestHost;
let server: ModelServer;
let client: Client;
beforeAll(async () => {
  model = await startTestHost({ "m.py": MODEL }, {}, () => server?.changed());
  server = await createModelServer({ host: "127.0.0.1", firstPort: 0, model: model.host });
  client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
  await model.setup();
});
afterAll(async () => {
  client.close();
  server.close();
  await model[Symbol.asyncDispose]();
});

const unary = <T>(name: string, method: string, request: object): Promise<T> => {
  const { path, requestSerialize, responseDeserialize } = service(name)[method]!;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, answer) =>
      error ? reject(error) : resolve(answer as T),
    );
  });
};
const call = (methodName: string, data?: Variant) =>
  unary<CallResponse>(CALLS, "Call", { methodName, methodArguments: data ? [{ position: 1, data }] : [] });

describe("health", () => {
  const check = (name: string) => unary<{ status: number }>(HEALTH, "Check", { service: name });
  const watch = (name: string): number[] => {
    const { path, requestSerialize, responseDeserialize } = service(HEALTH).Watch!;
    const seen: number[] = [];
    client
      .makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service: name })
      .on("data", (health: { status: number }) => seen.push(health.status))
      .on("error", () => undefined);
    return seen;
  };

  test("is the model's, under every name that is served, and unknown under others", async () => {
    const seen = watch("");
    const unknown = watch("no.Such");
    for (const name of ["", CALLS, "train_infer.TrainInferService", HEALTH])
      expect(await check(name)).toEqual({ status: SERVING });
    await expect(check("no.Such")).rejects.toMatchObject({
      code: status.NOT_FOUND,
      details: "unknown service no.Such",
    });
    model.host.restart("a test wants it");
    expect(await check("")).toEqual({ status: NOT_SERVING });
    await until(model.host.state, (state) => state === "READY");
    expect(await check("")).toEqual({ status: SERVING });
    await until(
      () => seen,
      (all) => all[0] === SERVING && all.includes(NOT_SERVING) && all.at(-1) === SERVING,
    );
    expect(unknown).toEqual([SERVICE_UNKNOWN]);
  });
});

test("calls wait in a queue of few, the others are told that the server is busy", async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 9 }, () =>
      call("slow").then(
        (answer) => answer.status?.code,
        ({ code, details }: ServiceError) => [code, details],
      ),
    ),
  );
  const answered = outcomes.filter((outcome) => outcome === "SUCCESS");
  const busy = outcomes.filter((outcome) => outcome !== "SUCCESS");
  expect(answered.length).toBe(5); // the one at work and four behind it
  expect(new Set(busy.map(String))).toEqual(new Set([`${status.RESOURCE_EXHAUSTED},Server busy`]));
  expect((await call("slow")).status?.code).toBe("SUCCESS");
});

test.each([7, 99, -1])("a value of the type %i, which no caller may send, never reaches the host", async (type) => {
  expect(await call("echo", { type, value: Buffer.from("i\x01\0\0\0") })).toMatchObject({
    status: { code: "MODEL_FAILED", message: `The model raised an exception: Unsupported data type: ${type}` },
  });
  expect((await call("echo")).status?.code).toBe("SUCCESS");
});

test("at the deadline that a caller gave it hears the same from the server as from its own clock", async () => {
  const message = service(CALLS).Call!.requestSerialize({ methodName: "slow" });
  const head = Buffer.from([0, 0, 0, 0, message.length]);
  const session = connect(`http://127.0.0.1:${server.port}`);
  const stream = session.request({
    ":method": "POST",
    ":path": `/${CALLS}/Call`,
    "content-type": "application/grpc",
    "grpc-timeout": "300m",
  });
  stream.resume().end(Buffer.concat([head, message]));
  const told = await new Promise<Record<string, unknown>>((resolve) => {
    stream
      .on("response", (headers) => headers["grpc-status"] !== undefined && resolve(headers))
      .on("trailers", resolve);
  });
  session.destroy();
  expect(told).toMatchObject({ "grpc-status": String(status.DEADLINE_EXCEEDED), "grpc-message": "Deadline exceeded" });
  await until(model.host.state, (state) => state === "READY");
});
