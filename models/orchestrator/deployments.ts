import type { Logger } from "pino";
import type { DeploymentEvent, DeploymentState, FailureReport } from "../protocol/orchestrator-messages.ts";
import { levelName } from "../runner/box.ts";
import type { RunnerInfo, RunnerModel, RunnerModelInfo } from "../runner/runner.ts";
import { type Deployment, deploymentEventOf, displayName, keyOf } from "./deployment.ts";
import { type ErrorCode, type Failure, isModelsFault, reportedCode } from "./failure.ts";
import type { WantedModel } from "./models-file.ts";
import type { Quarantine } from "./quarantine.ts";

const HOUR_MS = 3_600_000;
/** A process that comes back by itself sooner than this is no news for clients: calls meanwhile fail with the reason. */
const DOWN_IS_NEWS_MS = 1_000;
/** One report may be the client's own mistake. */
const BAD_IMPLEMENTATIONS = 2;

export interface DeploymentInfo {
  readonly modelId: string;
  readonly deploymentId: string;
  readonly modelName: string;
  readonly cruncherId: string;
  readonly state: DeploymentState | "STARTING";
  readonly address: string | null;
  /** for the operator; may quote the model's own words */
  readonly reason: string | null;
  readonly failure: Failure | null;
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
  /** Whether something of a model that is no longer wanted still runs. */
  isEnding(modelId: string): boolean;
  /** The operator gives a stopped submission another chance. False: it was not stopped. */
  pardon(modelId: string): boolean;
}

export function createDeployments(options: {
  host: string;
  logger: Logger;
  now: () => number;
  quarantine: Quarantine;
  /** a model whose process is lost more often in an hour is stopped; 0: never, absent: 5 */
  restartsPerHour?: number | undefined;
  apply: (models: readonly RunnerModel[]) => void;
  /** told before `apply` ends them: the last moment for their logs */
  leaving?: (deploymentIds: readonly string[]) => void;
  restart: (deploymentId: string, why: string) => void;
  publish: (crunchId: string, events: DeploymentEvent[]) => void;
}): Deployments {
  const { logger, restartsPerHour = 5 } = options;
  let deployments: Deployment[] = [];
  /** what only our clients read: how strongly models are closed in, where many are called at once */
  let almanac: DeploymentEvent["almanac"] = null;
  let seen: RunnerInfo["models"] = [];
  let wanted: readonly WantedModel[] = [];
  let applied: readonly string[] = [];
  let counter = 0;

  const eventOf = (deployment: Deployment) => deploymentEventOf(deployment, options.host, almanac);

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

  function apply(): void {
    const models = deployments
      .filter((deployment) => deployment.state !== "STOPPED")
      .map(({ id, model }) => ({
        deploymentId: id,
        modelId: model.id,
        version: model.version,
        code: model.code,
        packages: model.packages,
        site: model.site,
        trusted: model.trusted,
      }));
    const ids = models.map(({ deploymentId }) => deploymentId);
    const leaving = applied.filter((id) => !ids.includes(id));
    if (leaving.length > 0) options.leaving?.(leaving);
    applied = ids;
    options.apply(models);
  }

  function retire(gone: readonly Deployment[], reason: string): void {
    if (gone.length === 0) return;
    deployments = deployments.filter((deployment) => !gone.includes(deployment));
    for (const deployment of gone) if (deployment.state !== "STOPPED") tell(deployment, "STOPPED", reason);
  }

  function want(models: readonly WantedModel[]): void {
    wanted = models;
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
        deployments.push(created(model));
      }
    }
    apply();
  }

  function created(model: WantedModel): Deployment {
    const locked = options.quarantine.find(keyOf(model));
    const why = locked ? `IN_QUARANTINE since ${new Date(locked.at).toISOString()}: ${locked.code}` : "starting";
    return {
      id: adoptable(model) ?? newId(model.id),
      model,
      state: locked ? "STOPPED" : null,
      port: null,
      reason: why,
      failure: locked ? { code: "IN_QUARANTINE", detail: locked.code, at: locked.at } : null,
      retiring: false,
      restarts: [],
      badImplementations: 0,
      incarnation: null,
      expected: 0,
      downSince: null,
    };
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
    if (runner)
      almanac = {
        sandbox: levelName(runner.sandbox),
        ...(runner.fleetPort === null ? {} : { fleet_port: runner.fleetPort }),
      };
    seen = runner?.models ?? [];
    for (const deployment of [...deployments])
      if (deployment.state !== "STOPPED")
        look(
          deployment,
          seen.find((model) => model.deploymentId === deployment.id),
        );
  }

  function look(deployment: Deployment, found: RunnerModelInfo | undefined): void {
    if (!found) {
      deployment.incarnation = null;
      if (deployment.state !== "RUNNING") return;
      deployment.failure = failureOf("STOP_UNEXPECTED", null);
      tell(deployment, "RECOVERING", "the model runner is being restarted");
      return;
    }
    if (found.state === "REFUSED") {
      deployment.failure = failureOf("RUN_FAILED", found.reason);
      tell(deployment, "STOPPED", found.reason);
      return;
    }
    countCrashes(deployment, found);
    if (deployment.state === "STOPPED") return;
    if (found.state === "RUNNING" && found.port !== null) running(deployment, found.port, found.reason);
    else isDown(deployment, found);
  }

  /** The runner starts processes again by itself; each one that our own restarts do not explain is held against the model. */
  function countCrashes(deployment: Deployment, { incarnation, reason }: RunnerModelInfo): void {
    const before = deployment.incarnation;
    deployment.incarnation = incarnation;
    if (before === null || before === 0 || incarnation <= before) {
      deployment.expected = incarnation;
      return;
    }
    const crashes = incarnation - Math.min(incarnation, Math.max(before, deployment.expected));
    deployment.expected = Math.max(deployment.expected, incarnation);
    // The runner's own words: a process that it ended at a deadline was slow, any other ended by itself.
    const code = /in time/.test(reason ?? "") ? "MODEL_RUNNER_MULTIPLE_TIMEOUT" : "RUN_FAILED";
    if (crashes > 0) held(deployment, code, reason, crashes);
  }

  /** Counts against the model. True: that was too often, it is stopped. */
  function held(deployment: Deployment, code: ErrorCode, detail: string | null, times = 1): boolean {
    const now = options.now();
    const recent = deployment.restarts.filter((at) => now - at < HOUR_MS);
    deployment.restarts = [...recent, ...Array.from({ length: times }, () => now)];
    deployment.failure = failureOf(code, detail);
    const tooOften = restartsPerHour > 0 && deployment.restarts.length > restartsPerHour;
    if (tooOften) stop(deployment, code, detail);
    return tooOften;
  }

  function stop(deployment: Deployment, code: ErrorCode, detail: string | null): void {
    deployment.failure = failureOf(code, detail);
    if (isModelsFault(code)) options.quarantine.add(keyOf(deployment.model), deployment.model.id, code, options.now());
    tell(
      deployment,
      "STOPPED",
      `${code}: ${detail ?? "no reason given"}. Correct the model; a changed file starts it anew.`,
    );
    apply();
  }

  function isDown(deployment: Deployment, { reason }: RunnerModelInfo): void {
    deployment.reason = reason;
    if (deployment.state !== "RUNNING") return;
    deployment.downSince ??= options.now();
    const since = deployment.downSince;
    const left = DOWN_IS_NEWS_MS - (options.now() - since);
    if (left <= 0) tell(deployment, "RECOVERING", reason);
    else setTimeout(() => stillDown(deployment, since), left).unref();
  }

  function stillDown(deployment: Deployment, since: number): void {
    if (deployment.downSince === since && deployment.state === "RUNNING" && deployments.includes(deployment))
      tell(deployment, "RECOVERING", deployment.reason);
  }

  const failureOf = (code: ErrorCode, detail: string | null): Failure => ({ code, detail, at: options.now() });

  function running(deployment: Deployment, port: number, reason: string | null): void {
    deployment.reason = reason;
    deployment.downSince = null;
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
    const code = reportedCode(report.failure_code);
    const detail = report.failure_reason;
    if (code === "MODEL_RUNNER_BAD_IMPLEMENTATION" && ++deployment.badImplementations >= BAD_IMPLEMENTATIONS) {
      stop(deployment, code, detail);
      return;
    }
    // A broken connection need not be the model's fault: it gets a new process, and nothing is held against it.
    if (isModelsFault(code) && held(deployment, code, detail)) return;
    deployment.failure = failureOf(code, detail);
    deployment.expected = Math.max(deployment.expected, deployment.incarnation ?? 0) + 1;
    tell(deployment, "RECOVERING", `${code}: ${detail ?? "no reason given"}`);
    options.restart(deployment.id, "was restarted after a client gave it up");
  }

  function pardon(modelId: string): boolean {
    const model = wanted.find(({ id }) => id === modelId);
    const lifted = model !== undefined && options.quarantine.lift(keyOf(model));
    const stopped = deployments.filter(({ model: own, state }) => own.id === modelId && state === "STOPPED");
    deployments = deployments.filter((deployment) => !stopped.includes(deployment));
    if (lifted || stopped.length > 0) want(wanted);
    return lifted || stopped.length > 0;
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
      deployments.map(({ id, model, state, port, reason, failure }) => ({
        modelId: model.id,
        deploymentId: id,
        modelName: displayName(model),
        cruncherId: model.cruncher_id,
        state: state ?? "STARTING",
        address: port === null ? null : `${options.host}:${port}`,
        reason,
        failure,
      })),
    isEnding: (modelId) => seen.some((model) => model.modelId === modelId && !applied.includes(model.deploymentId)),
    pardon,
    knows: (modelId, crunchId) => deployments.some(({ model }) => model.id === modelId && model.crunch_id === crunchId),
  };
}
