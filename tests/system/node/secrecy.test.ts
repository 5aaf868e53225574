import { setTimeout as delay } from "node:timers/promises";
import type { Client as TemporalClient } from "@temporalio/client";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { freePort } from "../../../local/ports.ts";
import { textOf } from "../history-text.ts";
import { startNode, type TestNode, until } from "./harness.ts";

const KEY = "operator-key-of-this-test-0123456789abcdef";
/** Planted in a model's source, its output, its exception; a traceback holds lines of the source. */
const CANARY = /CANARY_\w+/g;
const found = (text: string): string[] => [...new Set(text.match(CANARY) ?? [])];

/** Every GET route of the node's own description, its parameters filled with what this node really has. */
async function everyRoute(base: string, ids: Record<string, string>): Promise<string[]> {
  const description = (await (await fetch(`${base}/openapi.json`)).json()) as {
    paths: Record<string, { get?: unknown }>;
  };
  return Object.entries(description.paths)
    .filter(([, methods]) => methods.get)
    .map(([path]) =>
      path.replace(/\{(\w+)\}/g, (_whole, name: string) => {
        const group = path.split("/").find((part) => part in ids) ?? "";
        return encodeURIComponent(ids[group] ?? ids[name] ?? "1");
      }),
    );
}

async function historiesOf(client: TemporalClient, query: string): Promise<string> {
  const texts: string[] = [];
  for await (const { workflowId, runId } of client.workflow.list({ query })) {
    texts.push(textOf(await client.workflow.getHandle(workflowId, runId).fetchHistory()));
  }
  return texts.join("\n");
}

/** What anybody who reaches the orchestrator's address is told. */
const eventsOf = (port: string, crunchId: string) =>
  new Promise<string>((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/${crunchId}`);
    socket.once("message", (data) => {
      resolve(String(data));
      socket.close();
    });
    socket.once("error", reject);
  });

async function failedRound(node: TestNode): Promise<string> {
  let id = "";
  await until("the leaking model has failed in a scored round", 90_000, async () => {
    const row = await node.db
      .selectFrom("predictions")
      .innerJoin("rounds", "rounds.id", "predictions.round_id")
      .select("rounds.id")
      .where("predictions.reason", "like", "%CANARY_MESSAGE%")
      .where("rounds.status", "=", "SCORED")
      .executeTakeFirst();
    id = row?.id ?? "";
    return id !== "";
  });
  return id;
}

test("a model's source, output and words reach nobody but the operator", async () => {
  const port = String(await freePort());
  await using node = await startNode({
    models: { steady: "steady", leaks: "leaks" },
    groups: ["orchestrator", "score", "feed,predict", "report"],
    env: { API_KEY: KEY, API_READ_AUTH: "false", REPORT_API_PORT: port, MODEL_RUNNER_MAX_CONSECUTIVE_FAILURES: "0" },
  });
  const round = await failedRound(node);
  const base = `http://127.0.0.1:${port}`;
  const routes = await everyRoute(base, { rounds: round, models: "leaks" });
  expect(routes.length).toBeGreaterThan(15);
  const ask = async (path: string, headers: Record<string, string>) => (await fetch(base + path, { headers })).text();

  const toStrangers: string[] = [];
  const toOperator: string[] = [];
  for (const path of routes) {
    const [open, own] = await Promise.all([ask(path, {}), ask(path, { "x-api-key": KEY })]);
    toStrangers.push(...found(open).map((canary) => `${path}: ${canary}`));
    toOperator.push(...found(own));
    await delay(25); // below the rate limit
  }
  expect(toStrangers).toEqual([]);
  // The operator may read why a model failed, and this shows that the search above can find something.
  expect([...new Set(toOperator)]).toEqual(["CANARY_MESSAGE"]);

  expect(found(await eventsOf(node.env.ORCHESTRATOR_PORT!, node.crunchId))).toEqual([]);
  const own = `WorkflowId BETWEEN 'round/${node.crunchId}/' AND 'round/${node.crunchId}0'`;
  const histories = await historiesOf(node.temporal, own);
  expect(histories).toContain(round);
  expect(found(histories)).toEqual([]);
}, 240_000);
