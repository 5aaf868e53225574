import { describe, expect, test } from "vitest";
import { SANDBOX } from "../fixtures/sandbox.ts";
import { quiet } from "../fixtures/test-fleet.ts";
import type { DeploymentEvent } from "../protocol/orchestrator-messages.ts";
import type { RunnerInfo, RunnerModel, RunnerModelInfo } from "../runner/runner.ts";
import { createDeployments } from "./deployments.ts";
import type { WantedModel } from "./models-file.ts";
import type { Quarantine, QuarantineEntry } from "./quarantine.ts";

const wanted = (id: string, version = "1"): WantedModel => ({
  id,
  version,
  crunch_id: "c",
  cruncher_id: "alice",
  desired_state: "RUNNING",
  trusted: true,
  code: "/x.py",
  packages: [],
  site: [],
});
const failure = (failure_code: string, model_id = "a") => ({
  model_id,
  failure_code,
  failure_reason: "boom",
  ip: "127.0.0.1",
});

/** One that forgets at the end of the process. */
function forgetful(): Quarantine {
  const entries = new Map<string, QuarantineEntry>();
  return {
    find: (key) => entries.get(JSON.stringify(key)),
    add: (key, model_id, code, at) => void entries.set(JSON.stringify(key), { ...key, model_id, code, at }),
    lift: (key) => entries.delete(JSON.stringify(key)),
    flush: async () => undefined,
  };
}

function start(quarantine = forgetful()) {
  const told: [string, string][] = [];
  const restarts: string[] = [];
  let applied: readonly RunnerModel[] = [];
  let nowMs = 0;
  const deployments = createDeployments({
    host: "127.0.0.1",
    logger: quiet,
    now: () => nowMs,
    quarantine,
    apply: (models) => {
      applied = models;
    },
    restart: (id) => restarts.push(id),
    publish: (_crunch, events: DeploymentEvent[]) =>
      told.push(...events.map((event): [string, string] => [event.deployment_id, event.state])),
  });
  const info = (change: Partial<RunnerModelInfo> = {}): RunnerInfo => ({
    pid: 1,
    fleetPort: 50_000,
    sandbox: SANDBOX,
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
    expect(deployments.info()[0]?.reason).toMatch(/^MODEL_RUNNER_MULTIPLE_FAILED: boom\. Correct the model/);
    deployments.want([wanted("a", "2")]);
    deployments.observe(info());
    expect(told.at(-1)?.[1]).not.toBe("STOPPED");
  });

  test("code that cannot work gets one more try; strangers and old deployments change nothing", () => {
    const { deployments, told, info } = start();
    deployments.want([wanted("a"), wanted("b")]);
    deployments.observe(info());
    deployments.reported(failure("BAD_IMPLEMENTATION", "stranger"));
    deployments.reported({ ...failure("BAD_IMPLEMENTATION"), deployment_id: "older" });
    expect(told).toHaveLength(2);
    deployments.reported(failure("BAD_IMPLEMENTATION"));
    deployments.observe(info());
    expect(deployments.info().map(({ state }) => state)).toEqual(["RUNNING", "RUNNING"]);
    deployments.reported(failure("BAD_IMPLEMENTATION"));
    expect(deployments.info().map(({ state }) => state)).toEqual(["STOPPED", "RUNNING"]);
    expect(deployments.events("c").map(({ model_id }) => model_id)).toEqual(["b"]);
  });
});

describe("crashes that the runner sees", () => {
  const crash = (own: ReturnType<typeof start>, incarnation: number, reason = "The model's process exited with 3") => {
    own.deployments.observe(own.info({ state: "DOWN", reason, incarnation }));
    own.deployments.observe(own.info({ state: "RUNNING", incarnation }));
  };

  test("five an hour are forgiven, the sixth stops the model; clients hear RUNNING, RECOVERING, RUNNING, STOPPED", () => {
    const own = start();
    own.deployments.want([wanted("a")]);
    own.deployments.observe(own.info({ state: "STARTING", incarnation: 0 })); // no process yet
    own.deployments.observe(own.info());
    for (let i = 2; i <= 5; i++) crash(own, i);
    expect(own.told.map(([, state]) => state)).toEqual(["RUNNING"]); // back at once: no news
    own.deployments.observe(own.info({ state: "DOWN", reason: "exited", incarnation: 6 }));
    own.pass(1_500);
    own.deployments.observe(own.info({ state: "STARTING", reason: "starting", incarnation: 6 }));
    own.deployments.observe(own.info({ state: "RUNNING", incarnation: 6 }));
    own.deployments.observe(own.info({ state: "DOWN", reason: "exited with 3", incarnation: 7 }));
    expect(own.told.map(([, state]) => state)).toEqual(["RUNNING", "RECOVERING", "RUNNING", "STOPPED"]);
    expect(own.applied()).toEqual([]);
    expect(own.deployments.info()[0]?.failure).toMatchObject({ code: "RUN_FAILED", detail: "exited with 3" });
  });

  test("an hour forgets; a restart that was asked for counts once; a lost runner counts nothing", () => {
    const own = start();
    own.deployments.want([wanted("a")]);
    own.deployments.observe(own.info());
    for (let i = 2; i <= 6; i++) crash(own, i);
    own.pass(3_600_001);
    for (let i = 7; i <= 10; i++) crash(own, i);
    own.deployments.reported(failure("MULTIPLE_FAILED"));
    crash(own, 11); // the restart that the report led to
    expect(own.deployments.info()[0]?.state).toBe("RUNNING");
    own.deployments.observe(null);
    own.deployments.observe(own.info({ incarnation: 1 }));
    own.deployments.observe(null);
    own.deployments.observe(own.info({ incarnation: 1 }));
    expect(own.deployments.info()[0]?.state).toBe("RUNNING");
    crash(own, 2);
    expect(own.deployments.info()[0]?.state).toBe("STOPPED");
  });

  test("several between two looks all count, those before the first look do not", () => {
    const own = start();
    own.deployments.want([wanted("a")]);
    own.deployments.observe(own.info({ incarnation: 40 }));
    crash(own, 45);
    expect(own.deployments.info()[0]?.state).toBe("RUNNING");
    crash(own, 46, "The model's process did not answer in time; it was ended");
    expect(own.deployments.info()[0]).toMatchObject({
      state: "STOPPED",
      failure: { code: "MODEL_RUNNER_MULTIPLE_TIMEOUT" },
    });
  });
});

describe("quarantine", () => {
  const failed = (quarantine = forgetful()) => {
    const own = start(quarantine);
    own.deployments.want([wanted("a")]);
    own.deployments.observe(own.info());
    for (const _ of Array(6)) {
      own.deployments.reported(failure("MULTIPLE_FAILED"));
      own.deployments.observe(own.info());
    }
    return { quarantine, own };
  };

  test("outlives the orchestrator, holds under another name, ends with another submission", () => {
    const { quarantine } = failed();
    const next = start(quarantine);
    next.deployments.want([wanted("a"), wanted("b"), { ...wanted("c"), resource_id: "other" }, wanted("d", "2")]);
    expect(next.applied().map(({ modelId }) => modelId)).toEqual(["c", "d"]);
    expect(next.deployments.info().map(({ modelId, failure: why }) => [modelId, why?.code])).toEqual([
      ["a", "IN_QUARANTINE"],
      ["b", "IN_QUARANTINE"],
      ["c", undefined],
      ["d", undefined],
    ]);
    expect(next.told).toEqual([]);
    next.deployments.want([wanted("a", "2")]);
    expect(next.applied().map(({ modelId }) => modelId)).toEqual(["a"]);
  });

  test("a pardon starts a new deployment of the same submission", () => {
    const { own } = failed();
    const before = own.deployments.info()[0]!;
    expect(before.state).toBe("STOPPED");
    expect(own.deployments.pardon("stranger")).toBe(false);
    expect(own.deployments.pardon("a")).toBe(true);
    own.deployments.observe(own.info());
    const [after] = own.deployments.info();
    expect(after).toMatchObject({ state: "RUNNING" });
    expect(after?.deploymentId).not.toBe(before.deploymentId);
  });

  test("a version in quarantine leaves the one before running", () => {
    const { quarantine } = failed();
    const own = start(quarantine);
    own.deployments.want([wanted("a", "0")]);
    own.deployments.observe(own.info());
    own.deployments.want([wanted("a")]);
    own.deployments.observe(own.info());
    expect(own.deployments.info().map(({ state }) => state)).toEqual(["RUNNING", "STOPPED"]);
  });

  test.each(["CONNECTION_FAILED", "AUTH_ERROR"])("%s is never held against a model", (code) => {
    const { quarantine, own } = { quarantine: forgetful(), own: start() };
    own.deployments.want([wanted("a")]);
    for (const _ of Array(20)) {
      own.deployments.observe(own.info());
      own.deployments.reported(failure(code));
    }
    expect(own.restarts).toHaveLength(20);
    expect(quarantine.find({ submission: "1", resource: "", hardware: "CPU" })).toBeUndefined();
    expect(own.deployments.info()[0]?.state).toBe("RECOVERING");
  });
});
