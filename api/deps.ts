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
}

export interface ApiDeps {
  settings: ApiSettings;
  db: Database;
  competition: LoadedCompetition;
  checks: Checks;
  log: Logger;
  now?: () => number;
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
