import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { Logger } from "pino";
import type { LoadedCompetition } from "../competitions/load.ts";
import type { Database } from "../db/database.ts";
import type { BackfillCommand } from "../domain/backfill.ts";
import type { Action, ConfirmInput, DecisionInput, DecisionResult } from "../domain/decision.ts";
import type { PeriodClock } from "../domain/period.ts";
import type { Checks } from "./readiness.ts";

/** What the API must know of the node; workers/report.ts fills it from the settings. */
export interface ApiSettings {
  version: string;
  /** name of the competition in ids (CRUNCH_ID) */
  competition: string;
  /** address of the competition on chain; empty: none */
  address: string;
  network: string;
  temporalUi: string;
  namespaces: { rounds: string; checkpoints: string };
  feed: { source: string; kind: string; granularity: string; subjects: readonly string[] };
  windowIntervalMs: number;
  checkpointClock: PeriodClock;
  /** absent: reads are open and writes come from loopback only */
  apiKey?: string | undefined;
  /** false: reads are open although there is a key */
  readAuth: boolean;
  /** folder of the built page; absent: no page is served */
  webRoot?: string | undefined;
  /** folder of the parquet day files; absent: there are none */
  backfillRoot?: string | undefined;
  /** folder of evidence bundles; absent: there are none */
  evidenceRoot?: string | undefined;
}

/** The workflows of backfill jobs, whose rows are written already. */
export interface BackfillRuns {
  start(job: { id: string; subject: string }): Promise<void>;
  /** @throws ApiError 409 where the job refuses, 503 where nobody answers */
  command(job: { id: string; subject: string }, command: BackfillCommand): Promise<void>;
}

/** The workflows of rescore jobs: told that a row wants something done. */
export interface RescoreRuns {
  start(id: string): Promise<void>;
}

/** Decisions about checkpoints: updates of their workflows, which have the last word. */
export interface CheckpointRuns {
  /** @throws ApiError 403, 409 or 422 where it is refused, 503 where nobody answers */
  decide(
    checkpoint: { id: string; endMs: number },
    action: Action,
    input: DecisionInput | ConfirmInput,
    updateId: string,
  ): Promise<DecisionResult>;
}

export interface ApiDeps {
  settings: ApiSettings;
  db: Database;
  competition: LoadedCompetition;
  checks: Checks;
  log: Logger;
  now?: () => number;
  /** absent: jobs are written, and wait for a node that runs workflows */
  backfills?: BackfillRuns;
  /** the same */
  rescores?: RescoreRuns;
  /** absent: nobody can decide through this server */
  checkpoints?: CheckpointRuns;
  /** what GET /metrics answers; absent: no such route */
  metrics?: () => Promise<{ contentType: string; body: string }>;
  /** told of every answer, for metrics: route pattern, not the path that was asked */
  onAnswer?: (answer: { method: string; route: string; status: number; seconds: number }) => void;
}

/** The server with typed schemas. */
export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;
