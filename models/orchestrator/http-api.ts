import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import multipart from "@fastify/multipart";
import { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, fastify, LogController } from "fastify";
import type { Logger } from "pino";
import { z } from "zod";
import { createGuard, isLoopback } from "./http-guard.ts";
import { HttpProblem, sendProblem } from "./http-problem.ts";
import type { LocalModels } from "./local-models.ts";
import type { ModelView } from "./model-view.ts";
import { MULTIPART_LIMITS, modelChange, newModel, parseFields, receiveUpload } from "./upload.ts";

const JSON_LIMIT_BYTES = 16 << 10;
const UPLOADS_AT_ONCE = 2;
/** The slowest line that may carry 200 MiB. */
const UPLOAD_MS = 600_000;

export interface HttpOptions {
  readonly host: string;
  /** 0 takes any */
  readonly port: number;
  /** needed unless the host is a loopback address */
  readonly apiKey?: string | undefined;
}
/** The operator's way in: upload, start, stop, remove models, read their logs. */
export interface HttpApi {
  readonly port: number;
  close(): Promise<void>;
}

interface ApiDeps {
  /** undefined until they are known: the port is taken before anything else is started */
  readonly models: () => LocalModels | undefined;
  readonly pardon: (modelId: string) => boolean;
}

/** @throws Error naming cause and cure: port taken, open to others without a key */
export async function startHttpApi(
  { host, port, apiKey }: HttpOptions,
  deps: ApiDeps & { logger: Logger },
): Promise<HttpApi> {
  if (apiKey === undefined && !isLoopback(host))
    throw new Error(
      `The orchestrator's HTTP API on ${host} needs ORCHESTRATOR_API_KEY: whoever reaches it can run programs here. Set the key, or ORCHESTRATOR_HTTP_HOST=127.0.0.1.`,
    );
  const stop = new AbortController();
  const app = fastify({
    loggerInstance: deps.logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: JSON_LIMIT_BYTES,
    onProtoPoisoning: "error",
    onConstructorPoisoning: "error",
    requestTimeout: UPLOAD_MS,
    keepAliveTimeout: 5_000,
    http: { maxHeaderSize: 16_384, headersTimeout: 15_000 },
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 300 },
  });
  const guard = createGuard(apiKey);
  app.addHook("onRequest", async (request) => {
    guard(request);
    if (deps.models() === undefined)
      throw new HttpProblem(503, "starting", "the node is starting: try again in a moment");
  });
  app.setErrorHandler(sendProblem);
  app.setNotFoundHandler((request, reply) =>
    sendProblem(
      new HttpProblem(404, "not-found", `nothing is at ${request.method} ${pathOf(request)}`),
      request,
      reply,
    ),
  );
  await app.register(multipart, { limits: MULTIPART_LIMITS, preservePath: true } as Parameters<typeof multipart>[1]);
  modelRoutes(app, deps);
  logRoutes(app, deps, stop.signal);
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    const busy = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
    const cure = busy
      ? `Port ${port} is taken. Stop what uses it, or set ORCHESTRATOR_HTTP_PORT to a free one.`
      : error;
    throw new Error(`The orchestrator's HTTP API cannot listen on ${host}:${port}. ${cure}`, { cause: error });
  }
  return {
    port: (app.server.address() as AddressInfo).port,
    async close() {
      stop.abort();
      await app.close();
    },
  };
}

const pathOf = (request: FastifyRequest): string => request.url.split("?", 1)[0] ?? "";

/** What POST and PATCH answer, as the public deploy API does. */
const answerOf = ({ id, model_name, crunch_id, desired_state, cruncher_id, cruncher_name }: ModelView) => ({
  id,
  model_name,
  crunch_id,
  desired_state,
  cruncher_id,
  cruncher_name,
});

function modelRoutes(app: FastifyInstance, { models, pardon }: ApiDeps): void {
  const local = () => models() as LocalModels; // the hook above lets nothing in before
  let uploading = 0;
  const find = (id: string): ModelView => {
    const view = local()
      .list()
      .find((model) => model.id === id);
    if (!view) throw new HttpProblem(404, "not-found", `there is no model ${JSON.stringify(id)}`, "id");
    return view;
  };
  const uploadedOnly = (view: ModelView): void => {
    if (view.source === "file")
      throw new HttpProblem(409, "conflict", `the model ${view.id} stands in the models file: change it there`, "id");
  };
  async function receive(request: FastifyRequest) {
    if (uploading >= UPLOADS_AT_ONCE)
      throw new HttpProblem(429, "busy", `${UPLOADS_AT_ONCE} uploads are under way: try again in a moment`);
    uploading++;
    try {
      return await receiveUpload(request, local().submissions);
    } finally {
      uploading--;
    }
  }

  app.get("/models", async () => local().list());
  app.get<{ Params: { id: string } }>("/models/:id", async ({ params }) => find(params.id));

  app.post("/models", async (request, reply) => {
    if (!request.isMultipart())
      throw new HttpProblem(415, "unsupported-media-type", "send multipart/form-data with the fields and the files");
    const { fields, submission } = await receive(request);
    const { crunch_id: _, ...wanted } = parseFields(newModel, fields);
    if (submission === null) throw new HttpProblem(422, "invalid", "files: no file came", "files");
    const model = await local().uploads.add({ ...defined(wanted), desired_state: wanted.desired_state, submission });
    return reply.code(201).send(answerOf(find(model.id)));
  });

  app.patch<{ Params: { id: string } }>("/models/:id", async (request) => {
    const view = find(request.params.id);
    const received = request.isMultipart() ? await receive(request) : { fields: bodyOf(request), submission: null };
    const { force = false, ...change } = parseFields(modelChange, received.fields);
    if (force && change.desired_state !== "RUNNING")
      throw new HttpProblem(422, "invalid", "force: goes with desired_state RUNNING only", "force");
    const isChange = received.submission !== null || Object.values(change).some((value) => value !== undefined);
    // Lifting a quarantine is all that can be done here to a model of the file.
    if (!(force && view.source === "file") && isChange) uploadedOnly(view);
    if (force) {
      pardon(view.id);
      local().uploads.rebuild(view.id);
    }
    if (view.source === "upload")
      await local().uploads.change(view.id, {
        ...defined(change),
        ...(received.submission === null ? {} : { submission: received.submission }),
      });
    return answerOf(find(view.id));
  });

  app.delete<{ Params: { id: string } }>("/models/:id", async ({ params }, reply) => {
    uploadedOnly(find(params.id));
    await local().uploads.remove(params.id);
    return reply.code(204).send();
  });
}

const defined = <T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as never;

function bodyOf({ body }: FastifyRequest): Record<string, unknown> {
  if (typeof body === "object" && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw new HttpProblem(422, "invalid", "send a JSON object or multipart/form-data with what should change");
}

const flag = (standard: boolean) =>
  z
    .enum(["true", "false", "1", "0"])
    .transform((v) => v === "true" || v === "1")
    .default(standard);
const logQuery = z.object({ follow: flag(false), from_start: flag(true) });

function logRoutes(app: FastifyInstance, { models }: ApiDeps, closing: AbortSignal): void {
  app.get<{ Params: { kind: string; job: string } }>("/models/logs/:kind/:job", async (request, reply) => {
    const { kind, job } = request.params;
    if (kind !== "builder" && kind !== "runner")
      throw new HttpProblem(404, "not-found", "logs are builder or runner", "kind");
    const { follow, from_start: fromStart } = parseFields(logQuery, request.query as Record<string, unknown>);
    const gone = new AbortController();
    reply.raw.once("close", () => gone.abort());
    const text = models()?.logs.read(kind, job, { follow, fromStart, signal: AbortSignal.any([closing, gone.signal]) });
    if (!text) throw new HttpProblem(404, "not-found", `there is no ${kind} log ${JSON.stringify(job)}`, "job");
    return reply
      .type("text/plain; charset=utf-8")
      .header("cache-control", "no-cache")
      .header("x-accel-buffering", "no")
      .header("x-content-type-options", "nosniff")
      .send(Readable.from(text));
  });
}
