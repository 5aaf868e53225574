import type {
  CheckpointDecisions,
  CheckpointLog,
  Checkpoints,
  CheckpointTransitions,
  PayoutBatches,
  SubmissionAttempts,
  Submissions,
} from "./schema/checkpoints.ts";
import type { BackfillJobs, FeedDays, FeedGaps, FeedIngestionState, FeedQuality, FeedRecords } from "./schema/feeds.ts";
import type { ApiKeys, AuditLog, IdempotencyKeys, Outbox } from "./schema/operations.ts";
import type {
  Contracts,
  Deployments,
  Inputs,
  Models,
  Predictions,
  Rounds,
  ScheduledPredictionConfigs,
  ScopeSchedules,
  TournamentRounds,
  Truths,
  Voids,
} from "./schema/rounds.ts";
import type {
  DeadLetters,
  EnsembleErrors,
  EnsembleWeightRows,
  Leaderboards,
  MerkleCycles,
  MerkleNodes,
  RescoreJobs,
  ScoreSums,
  Scores,
  ScoringWindows,
  Snapshots,
} from "./schema/scores.ts";

export type {
  CheckpointDecisions,
  CheckpointLog,
  Checkpoints,
  CheckpointTransitions,
  PayoutBatches,
} from "./schema/checkpoints.ts";
export type { DimensionColumns } from "./schema/columns.ts";
export type { BackfillJobs } from "./schema/feeds.ts";
export type { PredictionStatus, Predictions, Rounds, TournamentRounds, Truths, Voids } from "./schema/rounds.ts";
export type {
  DeadLetters,
  FormerDeployment,
  LeaderboardEntryRow,
  Leaderboards,
  MerkleCycles,
  RescoreJobs,
  Scores,
  ScoringWindows,
  Snapshots,
} from "./schema/scores.ts";

/** Every table; its rows are in schema/, by what they are about. */
export interface Schema {
  feed_records: FeedRecords;
  feed_ingestion_state: FeedIngestionState;
  feed_days: FeedDays;
  feed_gaps: FeedGaps;
  feed_quality: FeedQuality;
  backfill_jobs: BackfillJobs;
  rescore_jobs: RescoreJobs;
  models: Models;
  deployments: Deployments;
  contracts: Contracts;
  scheduled_prediction_configs: ScheduledPredictionConfigs;
  inputs: Inputs;
  rounds: Rounds;
  scope_schedules: ScopeSchedules;
  voids: Voids;
  tournament_rounds: TournamentRounds;
  predictions: Predictions;
  truths: Truths;
  scores: Scores;
  score_sums: ScoreSums;
  ensemble_errors: EnsembleErrors;
  ensemble_weights: EnsembleWeightRows;
  dead_letters: DeadLetters;
  scoring_windows: ScoringWindows;
  snapshots: Snapshots;
  leaderboards: Leaderboards;
  merkle_cycles: MerkleCycles;
  merkle_nodes: MerkleNodes;
  checkpoints: Checkpoints;
  checkpoint_transitions: CheckpointTransitions;
  checkpoint_decisions: CheckpointDecisions;
  checkpoint_log: CheckpointLog;
  submissions: Submissions;
  payout_batches: PayoutBatches;
  submission_attempts: SubmissionAttempts;
  outbox: Outbox;
  api_keys: ApiKeys;
  idempotency_keys: IdempotencyKeys;
  audit_log: AuditLog;
}
