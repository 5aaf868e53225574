import { describe, expect, test } from "vitest";
import { quiet } from "../fixtures/test-fleet.ts";
import type { DeploymentEvent } from "../protocol/orchestrator-messages.ts";
import type { RunnerInfo, RunnerModel, RunnerModelInfo } from "../runner/runner.ts";
import { createDeployments } from "./deployments.ts";
import type { WantedModel } from "./models-file.ts";

const wanted = (id: string, version = "1"): WantedModel => ({
  id,
  version,
  crunch_id: "c",
  cruncher_id: "alice",
  desired_state: "RUNNING",
  trusted: true,
  code: "/x.py",
  packages: [],
});
const failure = (failure_code: string, model_id = "a") => ({
  model_id,
  failure_code,
  failure_reason: "boom",
  ip: "127.0.0.1",
});

function start() {
  const told: [string, string][] = [];
  const restarts: string[] = [];
  let applied: readonly RunnerModel[] = [];
  let nowMs = 0;
  const deployments = createDeployments({
    host: "127.0.0.1",
    logger: quiet,
    now: () => nowMs,
    apply: (models) => {
      applied = models;
    },
    restart: (id) => restarts.push(id),
    publish: (_crunch, events: DeploymentEvent[]) =>
      told.push(...events.map((event): [string, string] => [event.deployment_id, event.state])),
  });
  const info = (change: Partial<RunnerModelInfo> = {}): RunnerInfo => ({
    pid: 1,
    sandbox: { level: "bwrap", tried: [], python: "" },
    models: applied.map(({ deploymentId, modelId, version }, i) => ({
      deploymentId,
      modelId,
      version,
      state: "RUNNING",
      port: 50_051 + i,
      reason: null,
      incarnation: 1,
      ...change,
    })),
  });
  return {
    deployments,
    told,
    restarts,
    info,
    applied: () => applied,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe("deployments", () => {
  test("a new version runs before the old one stops", () => {
    const { deployments, told, info, applied } = start();
    deployments.want([wanted("a")]);
    deployments.observe(info());
    const [old] = applied();
    deployments.want([wanted("a", "2")]);
    expect(applied()).toHaveLength(2);
    expect(told).toEqual([[old?.deploymentId, "RUNNING"]]);
    deployments.observe(info());
    const newer = applied()[0]!.deploymentId;
    expect(told.slice(1)).toEqual([
      [newer, "RUNNING"],
      [old?.deploymentId, "STOPPED"],
    ]);
    expect(applied()).toHaveLength(1);
  });

  test("a process that comes back by itself is no news; a lost runner is", () => {
    const { deployments, told, info } = start();
    deployments.want([wanted("a")]);
    deployments.observe(info());
    deployments.observe(info({ state: "DOWN", reason: "exited with 3" }));
    expect(deployments.info()).toMatchObject([{ state: "RUNNING", reason: "exited with 3" }]);
    deployments.observe(null);
    deployments.observe(info({ state: "STARTING" }));
    deployments.observe(info());
    expect(told.map(([, state]) => state)).toEqual(["RUNNING", "RECOVERING", "RUNNING"]);
  });

  test("a runner that outlived its orchestrator keeps its deployments where the version is the same", () => {
    const { deployments, info, applied } = start();
    const running: RunnerModelInfo = {
      deploymentId: "from-before",
      modelId: "a",
      version: "1",
      state: "RUNNING",
      port: 1,
      reason: null,
      incarnation: 3,
    };
    deployments.observe({
      ...info(),
      models: [running, { ...running, deploymentId: "other", modelId: "b", version: "0" }],
    });
    deployments.want([wanted("a"), wanted("b")]);
    expect(applied().map(({ deploymentId }) => deploymentId)).toEqual(["from-before", expect.stringMatching(/^b_/)]);
  });

  test("reports restart a model five times an hour, then it stops until its file changes", () => {
    const { deployments, told, restarts, info, applied, pass } = start();
    deployments.want([wanted("a")]);
    deployments.observe(info());
    const give = (times: number, code: string) => {
      for (let i = 0; i < times; i++) {
        deployments.reported(failure(code));
        deployments.observe(info());
      }
    };
    give(3, "CONNECTION_FAILED");
    give(5, "MULTIPLE_TIMEOUT");
    expect(restarts).toHaveLength(8);
    pass(3_600_000);
    deployments.reported(failure("MULTIPLE_FAILED"));
    deployments.observe(info());
    expect(told.at(-1)?.[1]).toBe("RUNNING");
    give(5, "MULTIPLE_FAILED");
    expect(told.at(-1)?.[1]).toBe("STOPPED");
    expect(applied()).toEqual([]);
    expect(deployments.info()[0]?.reason).toMatch(/^MULTIPLE_FAILED: boom\. Correct the model/);
    deployments.want([wanted("a", "2")]);
    deployments.observe(info());
    expect(told.at(-1)?.[1]).not.toBe("STOPPED");
  });

  test("code that cannot work stops at once; strangers and old deployments change nothing", () => {
    const { deployments, told, info } = start();
    deployments.want([wanted("a"), wanted("b")]);
    deployments.observe(info());
    deployments.reported(failure("BAD_IMPLEMENTATION", "stranger"));
    deployments.reported({ ...failure("BAD_IMPLEMENTATION"), deployment_id: "older" });
    expect(told).toHaveLength(2);
    deployments.reported(failure("BAD_IMPLEMENTATION"));
    expect(deployments.info().map(({ state }) => state)).toEqual(["STOPPED", "RUNNING"]);
    expect(deployments.events("c").map(({ model_id }) => model_id)).toEqual(["b"]);
  });
});
