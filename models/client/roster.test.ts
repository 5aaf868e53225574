import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { quiet } from "../fixtures/test-fleet.ts";
import type { DeploymentEvent } from "../protocol/orchestrator-messages.ts";
import type { Lane } from "./lane.ts";
import { createRoster } from "./roster.ts";

type Active = [modelId: string | null, deploymentId: string, ip: string, port: number, name: string | null];
interface Case {
  name: string;
  fn: string;
  input: { messages: string[]; connect_results: object };
  expected: { client: { steps: { active: Active[] }[] } };
}
const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "../../tests/vectors");
const { cases } = JSON.parse(readFileSync(join(folder, "orchestrator-messages.json"), "utf8")) as { cases: Case[] };
// What a failed connection means is the lane's business.
const events = cases.filter(
  (c) => c.fn === "ModelCluster.handle_event" && Object.keys(c.input.connect_results).length === 0,
);

/** A lane that connects nowhere and remembers what it was told. */
function stillLane(first: DeploymentEvent, log: string[]): Lane {
  let now = first;
  return {
    model: () => ({
      modelId: now.model_id,
      deploymentId: now.deployment_id,
      modelName: now.infos?.model_name ?? now.model_id,
      cruncherId: now.infos?.cruncher_id ?? "",
      cruncherName: now.infos?.cruncher_name ?? "",
      state: now.state === "RECOVERING" ? "RECOVERING" : "CONNECTED",
      address: `${now.ip}:${now.port}`,
    }),
    isOpen: () => true,
    follow: (next) => {
      now = next;
    },
    deliver: () => expect.unreachable(),
    close: () => log.push(now.model_id),
  };
}
const createStill = (closed: string[] = []) =>
  createRoster({ logger: quiet, onChange: () => undefined, createLane: (first) => stillLane(first, closed) });

describe("messages of the public orchestrator", () => {
  test.each(events.map((c) => [c.name, c] as const))("%s", (_name, { input, expected }) => {
    const roster = createStill();
    for (const [i, message] of input.messages.entries()) {
      roster.take(message);
      // The peer forgets a recovering model, ours keeps it without calling it; an entry without a model is no entry.
      const ours = [...roster.lanes.values()]
        .map((lane) => lane.model())
        .filter((model) => model.state === "CONNECTED");
      const theirs = expected.client.steps[i]!.active.filter(([modelId]) => modelId !== null);
      expect(
        ours.map(({ modelId, deploymentId, address, modelName }) => [modelId, deploymentId, address, modelName]),
      ).toEqual(
        theirs.map(([modelId, deploymentId, ip, port, name]) => [
          modelId,
          deploymentId,
          `${ip}:${port}`,
          name ?? modelId,
        ]),
      );
    }
  });
});

describe("strange entries", () => {
  const entry = (model_id: string, more: object = {}) => ({
    deployment_id: "d",
    model_id,
    state: "RUNNING",
    ip: "127.0.0.1",
    port: 50_051,
    ...more,
  });
  const init = (...data: object[]) => JSON.stringify({ event: "init", data });

  test("a model named __proto__ is a model; a bad entry loses only itself", () => {
    const roster = createStill();
    expect(
      roster.take(
        init(
          entry("__proto__"),
          { model_id: 5 },
          entry("b", { port: 70_000 }),
          entry("c", { almanac: { sandbox: "bwrap" } }),
        ),
      ),
    ).toBe(true);
    expect([...roster.lanes.keys()]).toEqual(["__proto__", "c"]);
  });

  test("a flapping orchestrator closes nobody that it still names", () => {
    const closed: string[] = [];
    const roster = createStill(closed);
    for (let i = 0; i < 5; i++) roster.take(init(entry("a"), entry("b")));
    expect(closed).toEqual([]);
    roster.take(init(entry("b")));
    expect(closed).toEqual(["a"]);
  });
});
