import { afterEach, expect, test } from "vitest";
import { connected, fixture, startTestFleet, type TestFleet } from "../fixtures/test-fleet.ts";
import type { FleetCall } from "./fleet.ts";

let fleet: TestFleet | undefined;
afterEach(async () => {
  await fleet?.[Symbol.asyncDispose]();
  fleet = undefined;
});
const zoo = (subject: string): FleetCall => ({ method: "predict", args: [{ type: "STRING", value: subject }] });

test.each([true, false])("what real models took, over the fleet protocol or not (%s)", async (callMany) => {
  fleet = await startTestFleet([{ id: "a", code: fixture("zoo.py") }]);
  const client = await fleet.connect({ callMany });
  await connected(client, ["a"]);
  for (let i = 0; i < 5; i++) await client.callAll({ calls: [zoo("good")], deadlineMs: 10_000 });
  await client.callAll({ calls: [zoo("slow")], deadlineMs: 10_000 });
  await client.callAll({ calls: [zoo("raise")], deadlineMs: 10_000 });
  await client.callAll({ calls: [zoo("hang")], deadlineMs: 1_000 });
  await client.callAll({ calls: [zoo("good")], deadlineMs: 10_000 }); // cools down
  const [metrics, ...rest] = client.metrics();
  expect(rest).toEqual([]);
  expect(metrics).toMatchObject({
    modelId: "a",
    deploymentId: client.models()[0]!.deploymentId,
    calls: { SUCCESS: 6, FAILURE: 1, TIMEOUT: 1, SKIPPED: 1 },
    latencyUs: { count: 8 },
  });
  const { latencyUs, waitUs, computeUs } = metrics!;
  expect(latencyUs!.max).toBeGreaterThan(900_000); // the one that hung
  expect(latencyUs!.p50).toBeLessThan(700_000);
  if (!callMany) return expect([waitUs, computeUs]).toEqual([null, null]);
  // "slow" sleeps for 0.7 s inside its method; nobody knows what the one that hung would have taken.
  expect(computeUs).toMatchObject({ count: 7 });
  expect(computeUs!.max).toBeGreaterThanOrEqual(690_000);
  expect(computeUs!.p50).toBeLessThan(latencyUs!.p50);
  return expect(waitUs).toMatchObject({ count: 8 });
});
