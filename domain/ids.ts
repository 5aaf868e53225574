/** Business keys. Workflow ids are built and parsed here and nowhere else (design: nothing in an id is random). */
type QueueRole = "predict" | "score" | "checkpoint" | "signing" | "backfill";
/** A queue per role and competition: nodes that share a Temporal server never take each other's work. */
export const taskQueue = (role: QueueRole, competition: string): string => `${role}/${competition}`;
/** Seen from a workflow on `own`: the queue of another role of the same node. */
export const siblingQueue = (own: string, role: QueueRole): string => `${role}${own.slice(own.indexOf("/"))}`;

export const WORKFLOW = {
  predictionRound: "predictionRound",
  scoringWindow: "scoringWindow",
  emissionCheckpoint: "emissionCheckpoint",
  reconcile: "reconcile",
  tournamentRound: "tournamentRound",
  startWindows: "startWindows",
  startCheckpoints: "startCheckpoints",
  backfill: "backfill",
  rescore: "rescore",
  retention: "retention",
} as const;

export const UPDATE = {
  approve: "approve",
  retry: "retry",
  retryBlocked: "retryBlocked",
  void: "void",
  confirm: "confirm",
  pause: "pause",
  resume: "resume",
  cancel: "cancel",
} as const;
export const QUERY = { progress: "progress" } as const;

export const SIGNAL = {
  truthPosted: "truthPosted",
  rescoreAsked: "rescoreAsked",
  settingsChanged: "settingsChanged",
} as const;

export interface RoundKey {
  competition: string;
  scopeKey: string;
  dueMs: number;
}

export const roundId = (key: RoundKey): string => `round/${key.competition}/${key.scopeKey}/${key.dueMs}`;

export function parseRoundId(id: string): RoundKey {
  const match = /^round\/([^/]+)\/(.+)\/(\d+)$/.exec(id);
  if (!match) throw new TypeError(`not a round id: ${id}`);
  return { competition: match[1]!, scopeKey: match[2]!, dueMs: Number(match[3]) };
}

export const windowId = (competition: string, endMs: number): string => `window/${competition}/${endMs}`;
export const tournamentWorkflowId = (competition: string, id: string): string => `tournament/${competition}/${id}`;
export const checkpointWorkflowId = (competition: string, endMs: number): string =>
  `checkpoint/${competition}/${endMs}`;
export const reconcileId = (competition: string): string => `reconcile/${competition}`;
export const backfillWorkflowId = (job: string): string => `backfill/${job}`;
export const rescoreWorkflowId = (job: string): string => `rescore/${job}`;
export const retentionScheduleId = (competition: string): string => `retention/${competition}`;
export const windowScheduleId = (competition: string): string => `windows/${competition}`;
export const checkpointScheduleId = (competition: string): string => `checkpoints/${competition}`;
export const reconcileScheduleId = (competition: string): string => `reconciles/${competition}`;

const stamp = (ms: number): string => new Date(ms).toISOString().replace(/[-:]/g, "").replace("T", "_").slice(0, 15);

/** CKP_yyyymmdd_hhmmss of the period's end, UTC: the public id of a checkpoint. */
export const checkpointId = (endMs: number): string => `CKP_${stamp(endMs)}`;
export const predictionId = (round: string, modelId: string): string =>
  `PRE_${round.slice("round/".length)}/${modelId}`;
/** Null where it is no prediction's id. */
export function parsePredictionId(id: string): { round_id: string; model_id: string; due_at: Date } | null {
  const match = /^PRE_(.+\/(\d{1,15}))\/([^/]+)$/.exec(id);
  return match && { round_id: `round/${match[1]}`, model_id: match[3]!, due_at: new Date(Number(match[2])) };
}
export const scoreId = (prediction: string, scorerHash: string): string =>
  `SCR_${prediction.slice(4)}/${scorerHash.slice(0, 8)}`;
export const inputId = (round: string): string => `INP_${round.slice("round/".length)}`;
/** `revision` 0 is the first; a correction of the same window has the next one. */
export const snapshotId = (modelId: string, endMs: number, revision: number): string =>
  `SNAP_${modelId}_${endMs}${revision > 0 ? `_${revision}` : ""}`;
export const cycleId = (endMs: number): string => `CYC_${endMs}`;
export const leaderboardId = (endMs: number): string => `LBR_${endMs}`;
/** File of a checkpoint's evidence. */
export const bundleName = (checkpoint: string): string => `${checkpoint}.tar.gz`;
