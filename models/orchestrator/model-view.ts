import { displayName } from "./deployment.ts";
import type { DeploymentInfo } from "./deployments.ts";
import { type Failure, sentenceOf } from "./failure.ts";
import type { ModelsFile } from "./models-file.ts";
import type { Upload } from "./uploads.ts";

/** States as the public deploy API names them, and RECOVERING, which it forgets. */
type DeploymentStatus =
  | "CREATED"
  | `BUILDER_${"BUILDING" | "FAILED" | "SUCCESS"}`
  | `RUNNER_${"INITIALIZING" | "RUNNING" | "RECOVERING" | "STOPPING" | "STOPPED" | "FAILED"}`;

/** One model as the deploy API lists it; the fields after `runner_log_uri` are ours. */
export interface ModelView {
  readonly id: string;
  readonly model_name: string;
  readonly deployment_id: string | null;
  readonly desired_state: "RUNNING" | "STOPPED";
  readonly status: DeploymentStatus;
  /** for the author: what happened and what to do; no word of the model's own */
  readonly statusMessage: string | null;
  readonly crunch_id: string;
  readonly cruncher_id: string;
  readonly cruncher_name: string;
  readonly builder_log_uri: string | null;
  readonly runner_log_uri: string | null;
  readonly source: "file" | "upload";
  readonly error_code: string | null;
  readonly address: string | null;
}

interface Known {
  readonly file: ModelsFile;
  readonly uploads: readonly Upload[];
  readonly deployments: readonly DeploymentInfo[];
  readonly isEnding: (modelId: string) => boolean;
  /** ids that the file and an upload claim */
  readonly twice: readonly string[];
}

export function modelViews(known: Known): ModelView[] {
  const fromFile = known.file.models.map((model): ModelView => {
    const { id, crunch_id, cruncher_id, desired_state } = model;
    const run = runOf(known, id, desired_state);
    return {
      id,
      model_name: displayName(model),
      ...run.head,
      desired_state,
      ...run.state,
      crunch_id,
      cruncher_id,
      cruncher_name: model.cruncher_name ?? cruncher_id,
      builder_log_uri: null,
      ...run.tail,
      source: "file",
    };
  });
  return [...fromFile, ...known.uploads.map((upload) => uploadView(known, upload))];
}

function uploadView(known: Known, upload: Upload): ModelView {
  const { id, model_name, crunch_id, cruncher_id, cruncher_name, desired_state } = upload.model;
  const run = runOf(known, id, desired_state);
  const state = known.twice.includes(id)
    ? { status: "BUILDER_FAILED" as const, statusMessage: `models.yaml has a model ${id}, too: that one runs.` }
    : (buildState(upload) ?? run.state);
  return {
    id,
    model_name,
    ...run.head,
    desired_state,
    ...state,
    crunch_id,
    cruncher_id,
    cruncher_name,
    builder_log_uri: `/models/logs/builder/${encodeURIComponent(upload.build.job)}`,
    ...run.tail,
    ...(upload.build.failure ? { error_code: upload.build.failure.code } : {}),
    source: "upload",
  };
}

/** What the build has to say; null: it is done, and the run says more. */
function buildState({ build, model, ready }: Upload): Pick<ModelView, "status" | "statusMessage"> | null {
  const before = ready === null ? "" : " The version before it goes on.";
  if (build.state === "CREATED") return { status: "CREATED", statusMessage: null };
  if (build.state === "BUILDING") return { status: "BUILDER_BUILDING", statusMessage: null };
  if (build.state === "FAILED")
    return {
      status: "BUILDER_FAILED",
      statusMessage: `${[sentence(build.failure), build.message].filter(Boolean).join(" ")}${before}`,
    };
  return model.desired_state === "STOPPED" && ready === null
    ? { status: "BUILDER_SUCCESS", statusMessage: null }
    : null;
}

const sentence = (failure: Failure | null): string | null => failure && sentenceOf(failure.code);

function runOf({ deployments, isEnding }: Known, id: string, desired: "RUNNING" | "STOPPED") {
  const own = deployments.filter(({ modelId }) => modelId === id);
  // While a new version starts, the old one is still what runs.
  const run = own.find(({ state }) => state === "RUNNING") ?? own.at(-1);
  const status = run ? statusOf(run) : isEnding(id) ? "RUNNER_STOPPING" : idle(desired);
  const failed = run !== undefined && run.state !== "RUNNING" ? run.failure : null;
  return {
    head: { deployment_id: run?.deploymentId ?? null },
    state: { status, statusMessage: sentence(failed) },
    tail: {
      runner_log_uri: run ? `/models/logs/runner/${encodeURIComponent(run.deploymentId)}` : null,
      error_code: failed?.code ?? null,
      address: run?.address ?? null,
    },
  };
}

const idle = (desired: "RUNNING" | "STOPPED"): DeploymentStatus =>
  desired === "RUNNING" ? "RUNNER_INITIALIZING" : "RUNNER_STOPPED";

function statusOf({ state, failure }: DeploymentInfo): DeploymentStatus {
  if (state === "STARTING") return "RUNNER_INITIALIZING";
  if (state === "STOPPED") return failure ? "RUNNER_FAILED" : "RUNNER_STOPPED";
  return `RUNNER_${state}` as const;
}
