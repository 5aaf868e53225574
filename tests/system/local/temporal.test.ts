import { Connection } from "@temporalio/client";
import { msToTs } from "@temporalio/common/lib/time.js";
import { expect, inject, onTestFinished, test } from "vitest";
import { environment } from "../../../config.ts";
import { freePort } from "../../../local/ports.ts";
import { checkChosenTemporal, temporalProblem } from "../../../local/temporal.ts";
import { ensureNamespaces, prepareTemporal, retentionDays, SEARCH_ATTRIBUTES } from "../../../local/temporal-setup.ts";
import { startTestTemporal } from "../../../local/test-temporal.ts";

async function connect(address: string) {
  const connection = await Connection.connect({ address });
  onTestFinished(() => connection.close());
  return connection;
}

async function expectPrepared(connection: Connection) {
  expect(await retentionDays(connection, "almanac")).toBe(3);
  expect(await retentionDays(connection, "almanac-checkpoints")).toBe(90);
  for (const namespace of ["almanac", "almanac-checkpoints"]) {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    expect(customAttributes).toMatchObject(SEARCH_ATTRIBUTES);
    const query = 'Competition = "x" and ResolveAt > "2026-01-01T00:00:00Z"';
    expect(Number((await connection.workflowService.countWorkflowExecutions({ namespace, query })).count)).toBe(0);
  }
}

test("our dev server has both namespaces with their retention and every search attribute", async () => {
  await expectPrepared(await connect(inject("temporalAddress")));
});

test("a `temporal server start-dev` without any flag is brought to the same state, by several processes at once", async () => {
  const server = await startTestTemporal({ env: environment(), plain: true });
  onTestFinished(server.stop);
  const connection = await connect(server.address);
  expect(await retentionDays(connection, "almanac")).toBeUndefined();
  await Promise.all([1, 2, 3].map(() => prepareTemporal(connection, "almanac", "almanac-checkpoints")));
  await expectPrepared(connection);
});

test("a retention that somebody shortened is set again, a longer one stays", async () => {
  const connection = await connect(inject("temporalAddress"));
  const name = `retention-${process.pid}`;
  const wish = { name, retentionDays: 90, description: "" };
  await ensureNamespaces(connection, [{ ...wish, retentionDays: 1 }]);
  expect(await retentionDays(connection, name)).toBe(1);
  await ensureNamespaces(connection, [wish]);
  expect(await retentionDays(connection, name)).toBe(90);
  await connection.workflowService.updateNamespace({
    namespace: name,
    config: { workflowExecutionRetentionTtl: msToTs("120 days") },
  });
  await ensureNamespaces(connection, [wish]);
  expect(await retentionDays(connection, name)).toBe(120);
});

test("a chosen server that does not answer is an error with cause and cure, never another server", async () => {
  const port = await freePort();
  await expect(checkChosenTemporal({ TEMPORAL_ADDRESS: `127.0.0.1:${port}` })).rejects.toThrow(
    new RegExp(`TEMPORAL_ADDRESS: no Temporal answers at 127.0.0.1:${port}.*unset it`),
  );
});

test("a port on which something else listens is not a Temporal server", async () => {
  const { port } = new URL(inject("postgresUrl"));
  expect(await temporalProblem(`127.0.0.1:${port}`, 1000)).toBeTypeOf("string");
  expect(await temporalProblem(inject("temporalAddress"))).toBeUndefined();
});
