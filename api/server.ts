import { randomUUID } from "node:crypto";
import helmet from "@fastify/helmet";
import { type FastifyBaseLogger, fastify, LogController } from "fastify";
import { validatorCompiler, type ZodTypeProvider } from "fastify-type-provider-zod";
import { registerAuth } from "./auth.ts";
import type { ApiDeps, App } from "./deps.ts";
import { registerOpenApi } from "./openapi.ts";
import { notFound, sendFailure } from "./problem.ts";
import { backfillRoutes } from "./routes/backfill.ts";
import { bundleRoutes } from "./routes/bundles.ts";
import { checkpointActionRoutes } from "./routes/checkpoint-actions.ts";
import { checkpointReportRoutes } from "./routes/checkpoint-reports.ts";
import { checkpointStatusRoutes } from "./routes/checkpoint-status.ts";
import { checkpointRoutes } from "./routes/checkpoints.ts";
import { checkpointV1Routes } from "./routes/checkpoints-v1.ts";
import { dayFileRoutes } from "./routes/day-files.ts";
import { deadLetterRoutes } from "./routes/dead-letters.ts";
import { feedRoutes } from "./routes/feeds.ts";
import { leaderboardRoutes } from "./routes/leaderboard.ts";
import { merkleRoutes } from "./routes/merkle.ts";
import { modelRoutes } from "./routes/models.ts";
import { nodeRoutes } from "./routes/node.ts";
import { overviewRoutes } from "./routes/overview.ts";
import { pageRoutes } from "./routes/page.ts";
import { payoutRoutes } from "./routes/payouts.ts";
import { predictionRoutes } from "./routes/predictions.ts";
import { proofRoutes } from "./routes/proofs.ts";
import { reportSchemaRoutes } from "./routes/report-schema.ts";
import { rescoreRoutes } from "./routes/rescore.ts";
import { roundRoutes } from "./routes/rounds.ts";
import { snapshotRoutes } from "./routes/snapshots.ts";
import { tournamentRoutes } from "./routes/tournament.ts";
import { voidRoutes } from "./routes/voids.ts";
import { whatIfRoutes } from "./routes/what-if.ts";

const BODY_LIMIT_BYTES = 1_048_576;
const PARAMETER_LIMIT = 200;
/** Limits of a listening socket; a second port gets the same. */
export const HTTP_LIMITS = {
  maxHeaderSize: 16_384,
  headersTimeout: 15_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 5_000,
} as const;

/** The API and the page as one server, not yet listening. Throws where a route states no tier or no operation id. */
export async function buildServer(deps: ApiDeps): Promise<App> {
  const { maxHeaderSize, headersTimeout, requestTimeout, keepAliveTimeout } = HTTP_LIMITS;
  const app: App = fastify({
    loggerInstance: deps.log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }), // logAnswers below writes one line an answer
    genReqId: () => randomUUID(),
    bodyLimit: BODY_LIMIT_BYTES,
    onProtoPoisoning: "error",
    onConstructorPoisoning: "error",
    requestTimeout,
    keepAliveTimeout,
    http: { maxHeaderSize, headersTimeout },
    routerOptions: { maxParamLength: PARAMETER_LIMIT },
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => JSON.stringify); // answers are typed by their schema and tested against it; checking each again costs more than the query
  app.setErrorHandler(sendFailure);
  app.setNotFoundHandler((request, reply) =>
    sendFailure(notFound(`nothing is at ${request.method} ${request.url.split("?", 1)[0]}`), request, reply),
  );
  await app.register(helmet, { contentSecurityPolicy: { useDefaults: false, directives: CONTENT_POLICY } });
  registerAuth(app, deps.settings);
  await registerOpenApi(app, deps.settings.version);
  logAnswers(app, deps);
  for (const routes of ROUTES) routes(app, deps);
  await pageRoutes(app, deps);
  return app;
}

const ROUTES = [
  nodeRoutes,
  reportSchemaRoutes,
  leaderboardRoutes,
  modelRoutes,
  predictionRoutes,
  feedRoutes,
  snapshotRoutes,
  checkpointRoutes,
  checkpointReportRoutes,
  proofRoutes,
  merkleRoutes,
  whatIfRoutes,
  checkpointV1Routes,
  checkpointActionRoutes,
  checkpointStatusRoutes,
  payoutRoutes,
  overviewRoutes,
  roundRoutes,
  tournamentRoutes,
  voidRoutes,
  deadLetterRoutes,
  backfillRoutes,
  rescoreRoutes,
  dayFileRoutes,
  bundleRoutes,
];

const CONTENT_POLICY = {
  defaultSrc: ["'self'"],
  baseUri: ["'self'"],
  formAction: ["'self'"],
  frameAncestors: ["'none'"],
  objectSrc: ["'none'"],
};

/** Polling is logged at debug; what failed and what changed something is seen at info. */
function logAnswers(app: App, { onAnswer }: ApiDeps): void {
  app.addHook("onResponse", async (request, reply) => {
    const { method } = request;
    const route = request.routeOptions.url ?? "none";
    const answer = { method, route, status: reply.statusCode, seconds: reply.elapsedTime / 1_000 };
    const level = answer.status >= 500 ? "warn" : method === "GET" || method === "HEAD" ? "debug" : "info";
    request.log[level]({ ...answer, path: request.url.split("?", 1)[0] }, "answered");
    onAnswer?.(answer);
  });
}
