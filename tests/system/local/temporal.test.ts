import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Connection } from "@temporalio/client";
import { msToTs } from "@temporalio/common/lib/time.js";
import { expect, inject, onTestFinished, test } from "vitest";
import { environment } from "../../../config.ts";
import { freePort } from "../../../local/ports.ts";
import { checkChosenTemporal, temporalProblem } from "../../../local/temporal.ts";
import { findTemporal } from "../../../local/temporal-binary.ts";
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

test("a test server that ends while it starts is started again at once; one that always does says its last words", async () => {
  const real = await findTemporal(environment(), () => undefined);
  const folder = mkdtempSync(join(tmpdir(), "almanac-stumbling-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const stumble = (often: string) =>
    writeFileSync(
      join(folder, "temporal"),
      `#!/bin/sh\necho x >> ${folder}/starts\n[ $(wc -l < ${folder}/starts) ${often} ] && { echo "port in use" >&2; exit 1; }\nexec ${real} "$@"\n`,
      { mode: 0o755 },
    );
  const env = { ...environment(), PATH: `${folder}:${process.env.PATH}` };
  stumble("-le 1");
  const told: string[] = [];
  const server = await startTestTemporal({ env, plain: true, say: (line) => told.push(line) });
  onTestFinished(server.stop);
  expect(await temporalProblem(server.address)).toBeUndefined();
  expect(told).toEqual([expect.stringMatching(/ended while it started\nport in use\n; starting it again$/)]);
  stumble("-ge 0");
  await expect(startTestTemporal({ env, plain: true })).rejects.toThrow("port in use");
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
