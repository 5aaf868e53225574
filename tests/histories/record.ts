/**
 * `node tests/histories/record.ts <shape> [host:port]`: writes one finished history per workflow type of a running node
 * (by default the one of `npm start`) as <type>.<shape>.json. A past shape stays in this folder for as long as such runs may live.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client, Connection } from "@temporalio/client";
import { historyToJSON } from "@temporalio/common/lib/proto-utils.js";

/** Paths and host names of the machine that recorded do not belong into the repository; replay does not read them. */
const withoutMachine = (key: string, value: unknown): unknown =>
  key === "stackTrace" ? "" : key === "identity" ? "recorded" : value;

const shape = process.argv[2];
if (!shape) throw new Error("usage: node tests/histories/record.ts <shape> [host:port]");
const connection = await Connection.connect({ address: process.argv[3] ?? "127.0.0.1:7233" });
const seen = new Set<string>();
for (const namespace of ["almanac", "almanac-checkpoints"]) {
  const client = new Client({ connection, namespace });
  for await (const run of client.workflow.list({ query: "ExecutionStatus = 'Completed'" })) {
    if (seen.has(run.type)) continue;
    seen.add(run.type);
    const history = await client.workflow.getHandle(run.workflowId, run.runId).fetchHistory();
    writeFileSync(
      join(import.meta.dirname, `${run.type}.${shape}.json`),
      `${JSON.stringify(JSON.parse(historyToJSON(history), withoutMachine), null, 1)}\n`,
    );
    process.stdout.write(`${run.type}: ${history.events?.length} events of ${run.workflowId}\n`);
  }
}
await connection.close();
