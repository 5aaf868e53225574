import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { SANDBOX } from "../fixtures/sandbox.ts";
import { quiet } from "../fixtures/test-fleet.ts";
import { type DeploymentEvent, deploymentEvent, type FailureReport } from "../protocol/orchestrator-messages.ts";
import type { RunnerInfo } from "../runner/runner.ts";
import { createDeployments } from "./deployments.ts";
import { crunchOf, eventText, readReports } from "./event-server.ts";
import type { WantedModel } from "./models-file.ts";

interface Case {
  name: string;
  input: Record<string, unknown>;
  expected: {
    orchestrator: {
      json?: { data: DeploymentEvent[] } | null;
      reports?: FailureReport[];
      closed_with?: number | null;
      crunch_id?: string;
      text?: string;
    };
  };
}
const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "../../tests/vectors");
const { cases } = JSON.parse(readFileSync(join(folder, "orchestrator-messages.json"), "utf8")) as { cases: Case[] };
const of = (prefix: string) => cases.filter((c) => c.name.startsWith(prefix)).map((c) => [c.name, c] as const);

interface PeerModel {
  deployment_id: string;
  model_id: string;
  name: string;
  wallet_pubkey: string;
  hotkey: string | null;
  augmented_name: string | null;
  augmented_cruncher_name: string | null;
  ip: string | null;
  port: number | null;
}
/** The wire entry that ours makes of the peer's record. */
const entryOf = (model: PeerModel, state: string): DeploymentEvent => ({
  deployment_id: model.deployment_id,
  model_id: model.model_id,
  infos: {
    model_name: model.augmented_name ?? model.name,
    cruncher_id: model.wallet_pubkey,
    cruncher_name: model.augmented_cruncher_name ?? model.wallet_pubkey,
    cruncher_wallet_pubkey: model.wallet_pubkey,
    cruncher_hotkey: model.hotkey,
  },
  state,
  ip: model.ip,
  port: model.port,
});

describe("what the server says", () => {
  test.each(of("server-init/"))("%s", (_name, { input, expected }) => {
    const models = input.models as (PeerModel & { runner_status: string })[];
    const entries = models.map((model) => entryOf(model, model.runner_status));
    expect(JSON.parse(eventText("init", entries))).toEqual(expected.orchestrator.json);
    // Everything the peer's orchestrator says is also taken by our client.
    for (const entry of expected.orchestrator.json!.data) expect(deploymentEvent.parse(entry)).toMatchObject(entry);
  });

  const wanted: WantedModel = {
    id: "m1",
    model_name: "my-model",
    cruncher_id: "Wallet111",
    cruncher_hotkey: "Hot111",
    crunch_id: "crunch-1",
    desired_state: "RUNNING",
    trusted: true,
    code: "/x.py",
    packages: [],
    site: [],
    version: "1",
  };
  // The states of the peer's runner and what brings ours into the same.
  const HAPPENS = new Map<string, (ours: ReturnType<typeof createDeployments>, info: RunnerInfo) => void>([
    [
      "RUNNING",
      (ours, info) => ours.observe({ ...info, models: info.models.map((model) => ({ ...model, port: 50_052 })) }),
    ],
    ["STOPPING", (ours) => ours.want([])],
    ["STOPPED", (ours) => ours.want([{ ...wanted, desired_state: "STOPPED" }])],
    [
      "FAILED",
      (ours, info) =>
        ours.observe({ ...info, models: info.models.map((model) => ({ ...model, state: "REFUSED" as const })) }),
    ],
    ["RECOVERING", (ours) => ours.observe(null)],
  ]);
  test.each(of("server-update/"))("%s", (_name, { input, expected }) => {
    const published: DeploymentEvent[] = [];
    const ours = createDeployments({
      host: "10.0.0.5",
      logger: quiet,
      now: () => 0,
      quarantine: { find: () => undefined, add: () => undefined, lift: () => false, flush: async () => undefined },
      apply: () => undefined,
      restart: () => undefined,
      publish: (_crunch, events) => published.push(...events),
    });
    ours.want([wanted]);
    const deploymentId = ours.info()[0]!.deploymentId;
    expect(published).toEqual([]); // INITIALIZING is no news
    const state = input.new_state as string;
    if (state === "INITIALIZING") return expect(expected.orchestrator.json).toBeNull();
    const info: RunnerInfo = {
      pid: 1,
      fleetPort: 50_000,
      sandbox: SANDBOX,
      models: [
        { deploymentId, modelId: "m1", version: "1", state: "RUNNING", port: 50_051, reason: null, incarnation: 1 },
      ],
    };
    ours.observe(info);
    HAPPENS.get(state)?.(ours, info);
    const [theirs] = expected.orchestrator.json!.data;
    return expect(published.at(-1)).toEqual({
      ...theirs,
      deployment_id: deploymentId,
      port: state === "RUNNING" ? 50_052 : 50_051,
      almanac: { sandbox: "bwrap+seccomp", fleet_port: 50_000 },
    });
  });
});

describe("what the server gets", () => {
  test.each(of("server-gets/"))("%s", (_name, { input, expected }) => {
    const { reports, problem } = readReports(input.text as string);
    const known = reports.filter((report) => report.model_id !== "stranger");
    expect(known).toEqual(expected.orchestrator.reports);
    // The peer closes the connection on a bad message; ours says what is wrong and keeps it.
    expect(problem === undefined).toBe(expected.orchestrator.closed_with === null);
  });

  test("one bad entry does not lose the others", () => {
    const good = { model_id: "m1", failure_code: "MULTIPLE_FAILED", ip: "10.0.0.5" };
    const { reports, problem } = readReports(
      JSON.stringify({ event: "report_failure", data: [{ model_id: 5 }, good] }),
    );
    expect(reports).toEqual([{ ...good, failure_reason: null }]);
    expect(problem).toMatch(/^data\.0\.model_id: /);
  });

  // A query string is no part of the crunch's name; the peer takes it as one.
  test.each(of("server/path-").filter(([name]) => !name.includes("?")))("%s", (_name, { input, expected }) => {
    expect(crunchOf(input.path as string)).toBe(expected.orchestrator.crunch_id);
  });
  test("the path without a crunch", () => {
    expect([crunchOf("/"), crunchOf("/crunch-1?x=1"), crunchOf("/%zz")]).toEqual(["", "crunch-1", ""]);
  });
});
