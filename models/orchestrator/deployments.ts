import type { Logger } from "pino";
import type { DeploymentEvent, DeploymentState, FailureReport } from "../protocol/orchestrator-messages.ts";
import type { RunnerInfo, RunnerModel } from "../runner/runner.ts";
import type { WantedModel } from "./models-file.ts";

const HOUR_MS = 3_600_000;
const RESTARTS_PER_HOUR = 5;

/** One version of one model, from its first start to its end. */
interface Deployment {
  readonly id: string;
  readonly model: WantedModel;
  /** what clients were told last; null: nothing yet */
  state: DeploymentState | null;
  port: number | null;
  reason: string | null;
  /** a newer one takes its place as soon as that runs */
  retiring: boolean;
  restarts: number[];
}
export interface DeploymentInfo {
  readonly modelId: string;
  readonly deploymentId: string;
  readonly modelName: string;
  readonly cruncherId: string;
  readonly state: DeploymentState | "STARTING";
  readonly address: string | null;
  /** for people, the model's author among them */
  readonly reason: string | null;
}
/** Desired against observed: what should run, what does, and what clients are told about it. */
export interface Deployments {
  want(models: readonly WantedModel[]): void;
  observe(runner: RunnerInfo | null): void;
  reported(report: FailureReport): void;
  /** Everything that clients of a crunch should know. */
  events(crunchId: string): DeploymentEvent[];
  info(): DeploymentInfo[];
  /** Whether a client may report about this model. */
  knows(modelId: string, crunchId: string): boolean;
}

export function createDeployments(options: {
  host: string;
  logger: Logger;
  now: () => number;
  apply: (models: readonly RunnerModel[]) => void;
  restart: (deploymentId: string, why: string) => void;
  publish: (crunchId: string, events: DeploymentEvent[]) => void;
}): Deployments {
  const { logger } = options;
  let deployments: Deployment[] = [];
  let sandbox = "";
  let seen: RunnerInfo["models"] = [];
  let counter = 0;

  const eventOf = ({ id, model, state, port }: Deployment): DeploymentEvent => ({
    deployment_id: id,
    model_id: model.id,
    infos: {
      model_name: model.model_name ?? model.name ?? model.id,
      cruncher_id: model.cruncher_id,
      cruncher_name: model.cruncher_name ?? model.cruncher_id,
      cruncher_wallet_pubkey: model.cruncher_wallet_pubkey ?? model.cruncher_id,
      cruncher_hotkey: model.cruncher_hotkey ?? null,
    },
    state: state ?? "STOPPED",
    ip: options.host,
    port,
    ...(sandbox === "" ? {} : { almanac: { sandbox } }),
  });

  function tell(deployment: Deployment, state: DeploymentState, reason: string | null): void {
    const known = deployment.state;
    deployment.state = state;
    deployment.reason = reason;
    // Clients hear of a deployment when it first runs.
    if (known === null && state !== "RUNNING") return;
    logger.info(
      { model: deployment.model.id, deployment: deployment.id, state, reason, port: deployment.port },
      "model state",
    );
    options.publish(deployment.model.crunch_id, [eventOf(deployment)]);
  }

  const apply = () =>
    options.apply(
      deployments
        .filter((deployment) => deployment.state !== "STOPPED")
        .map(({ id, model }) => ({
          deploymentId: id,
          modelId: model.id,
          version: model.version,
          code: model.code,
          packages: model.packages,
          trusted: model.trusted,
        })),
    );

  function retire(gone: readonly Deployment[], reason: string): void {
    if (gone.length === 0) return;
    deployments = deployments.filter((deployment) => !gone.includes(deployment));
    for (const deployment of gone) if (deployment.state !== "STOPPED") tell(deployment, "STOPPED", reason);
  }

  function want(models: readonly WantedModel[]): void {
    const running = new Map(
      models.filter((model) => model.desired_state === "RUNNING").map((model) => [model.id, model]),
    );
    retire(
      deployments.filter((deployment) => !running.has(deployment.model.id)),
      "no longer wanted",
    );
    for (const model of running.values()) {
      const own = deployments.filter((deployment) => deployment.model.id === model.id);
      const same = own.find((deployment) => deployment.model.version === model.version && !deployment.retiring);
      if (same) rename(same, model);
      else {
        for (const old of own) old.retiring = true;
        deployments.push({
          id: adoptable(model) ?? newId(model.id),
          model,
          state: null,
          port: null,
          reason: "starting",
          retiring: false,
          restarts: [],
        });
      }
    }
    apply();
  }

  function rename(deployment: Deployment, model: WantedModel): void {
    const before = JSON.stringify(eventOf(deployment));
    Object.assign(deployment, { model });
    if (deployment.state === "RUNNING" && JSON.stringify(eventOf(deployment)) !== before)
      tell(deployment, "RUNNING", null);
  }

  /** A runner that outlived its orchestrator may have this very version at work. */
  const adoptable = ({ id, version }: WantedModel): string | undefined =>
    seen.find(
      (found) =>
        found.modelId === id &&
        found.version === version &&
        found.state !== "REFUSED" &&
        !deployments.some((own) => own.id === found.deploymentId),
    )?.deploymentId;

  function newId(modelId: string): string {
    const stamp = new Date(options.now()).toISOString().replace(/[-:]/g, "").replace("T", "_").slice(0, 15);
    counter = (counter + 1) % 1000;
    return `${modelId}_${stamp}_${String(counter).padStart(3, "0")}`;
  }

  function observe(runner: RunnerInfo | null): void {
    if (runner) sandbox = runner.sandbox.level;
    seen = runner?.models ?? [];
    for (const deployment of [...deployments]) {
      const found = seen.find((model) => model.deploymentId === deployment.id);
      if (deployment.state === "STOPPED") continue;
      if (!found) {
        if (deployment.state === "RUNNING") tell(deployment, "RECOVERING", "the model runner is being restarted");
      } else if (found.state === "RUNNING" && found.port !== null) running(deployment, found.port, found.reason);
      else if (found.state === "REFUSED") tell(deployment, "STOPPED", found.reason);
      else deployment.reason = found.reason;
    }
  }

  function running(deployment: Deployment, port: number, reason: string | null): void {
    deployment.reason = reason;
    if (deployment.state === "RUNNING" && deployment.port === port) return;
    deployment.port = port;
    tell(deployment, "RUNNING", reason);
    const replaced = deployments.filter((other) => other.model.id === deployment.model.id && other.retiring);
    retire(replaced, "replaced by a newer version");
    if (replaced.length > 0) apply();
  }

  function reported(report: FailureReport): void {
    const deployment = deployments.find(
      ({ id, model, retiring }) =>
        model.id === report.model_id && (report.deployment_id === undefined ? !retiring : id === report.deployment_id),
    );
    logger.warn({ ...report, deployment: deployment?.id }, "a client gave a model up");
    if (deployment?.state !== "RUNNING") return;
    const why = `${report.failure_code}: ${report.failure_reason ?? "no reason given"}`;
    const now = options.now();
    // A broken connection need not be the model's fault: it gets a new process, and nothing is held against it.
    const counts = report.failure_code !== "CONNECTION_FAILED";
    deployment.restarts = [...deployment.restarts.filter((at) => now - at < HOUR_MS), ...(counts ? [now] : [])];
    // Code that cannot work stays broken until its file changes; the rest gets new chances, but not for ever.
    if (report.failure_code === "BAD_IMPLEMENTATION" || deployment.restarts.length > RESTARTS_PER_HOUR) {
      tell(deployment, "STOPPED", `${why}. Correct the model; a changed file starts it anew.`);
      apply();
      return;
    }
    tell(deployment, "RECOVERING", why);
    options.restart(deployment.id, "was restarted after a client gave it up");
  }

  return {
    want,
    observe,
    reported,
    events: (crunchId) =>
      deployments
        .filter(({ model, state }) => model.crunch_id === crunchId && state !== null && state !== "STOPPED")
        .map(eventOf),
    info: () =>
      deployments.map(({ id, model, state, port, reason }) => ({
        modelId: model.id,
        deploymentId: id,
        modelName: model.model_name ?? model.name ?? model.id,
        cruncherId: model.cruncher_id,
        state: state ?? "STARTING",
        address: port === null ? null : `${options.host}:${port}`,
        reason,
      })),
    knows: (modelId, crunchId) => deployments.some(({ model }) => model.id === modelId && model.crunch_id === crunchId),
  };
}
