import { join, resolve } from "node:path";
import type { Logger } from "pino";
import type { ContainerSettings, Sandbox } from "../runner/backend.ts";
import type { SandboxMode } from "../runner/box.ts";
import type { RunnerSecuritySettings } from "../secure/from-settings.ts";
import { createDeployments, type DeploymentInfo } from "./deployments.ts";
import { type EventServer, type EventSource, startEventServer } from "./event-server.ts";
import { type HttpApi, type HttpOptions, startHttpApi } from "./http-api.ts";
import { type LocalModels, openLocalModels, type Trial } from "./local-models.ts";
import { watchModelsFile } from "./models-file.ts";
import { openQuarantine } from "./quarantine.ts";
import { type RunnerProcess, startRunnerProcess } from "./runner-process.ts";

const POLL_MS = 1000;
/** Clients wait this long for a models file that cannot be read. */
const READY_MS = 5_000;

export interface OrchestratorOptions {
  readonly host: string;
  /** of the WebSocket; 0 takes any */
  readonly port: number;
  /** of the same events over gRPC; 0 takes any, absent: not served */
  readonly grpcPort?: number;
  /** the crunch that this node runs; entries of others are not started */
  readonly crunchId: string;
  readonly modelsFile: string;
  /** first port of the models, one each upward; 0 takes any */
  readonly runnerPort: number;
  readonly sandbox: SandboxMode;
  /** containers of an engine instead of boxes of our own */
  readonly containers?: ContainerSettings | null;
  /** who may call models; absent: whoever reaches them */
  readonly security?: RunnerSecuritySettings;
  /** interpreter for models, name or path */
  readonly python: string;
  /** private folder of the runner; made when absent */
  readonly stateDir: string;
  /** where models are uploaded and their logs are read; absent: nowhere */
  readonly http?: HttpOptions;
  /** environment of pip beside PATH: the operator's PIP_…, proxy and certificate settings */
  readonly pipSettings?: Readonly<Record<string, string>>;
  /** what an uploaded model must pass before it starts; absent: nothing */
  readonly trial?: Trial;
  /** a model whose process is lost more often in an hour is stopped; 0: never, absent: 5 */
  readonly restartsPerHour?: number;
  readonly logger: Logger;
}
interface OrchestratorInfo {
  /** level null: no runner at the moment */
  readonly sandbox: {
    readonly level: Sandbox["level"] | null;
    readonly tried: readonly string[];
    readonly python: string | null;
  };
  readonly runnerPid: number | null;
  readonly models: readonly DeploymentInfo[];
}
export interface Orchestrator extends AsyncDisposable {
  readonly port: number;
  /** null: not served */
  readonly grpcPort: number | null;
  /** null: not served */
  readonly httpPort: number | null;
  info(): OrchestratorInfo;
  /** What a running model printed last: for the operator and the owner only. */
  log(deploymentId: string): Promise<string | undefined>;
  /** Stops the runner and every model. */
  close(): Promise<void>;
}

/**
 * Runs the models of a models file and tells clients about them.
 * @throws Error naming cause and cure: no Python, no sandbox under `required`, port taken
 */
export async function startOrchestrator(options: OrchestratorOptions): Promise<Orchestrator> {
  const { logger, host, crunchId } = options;
  const stateDir = resolve(options.stateDir);
  const ip = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  let servers: readonly EventServer[] = [];
  let runner: RunnerProcess | undefined;
  const quarantine = await openQuarantine(join(stateDir, "quarantine.json"), logger);
  const deployments = createDeployments({
    host: ip,
    logger,
    now: Date.now,
    quarantine,
    restartsPerHour: options.restartsPerHour,
    leaving: (ids) => keepLogs(ids),
    apply: (models) => runner?.apply(models),
    restart: (id, why) => runner?.restart(id, why),
    publish: (crunchId, events) => {
      for (const server of servers) server.publish(crunchId, events);
    },
  });
  const { promise: ready, resolve: getReady } = Promise.withResolvers<void>();
  const { events, knows, reported: onReport } = deployments;
  servers = await startEventServers(options, { ready, events, knows, onReport });
  let local: LocalModels | undefined;
  let http: HttpApi | undefined;
  const closeServers = () => Promise.all([...servers, ...(http ? [http] : [])].map((server) => server.close()));
  const giveUp = async (error: unknown): Promise<never> => {
    await closeServers();
    await runner?.close();
    throw error;
  };
  if (options.http)
    http = await startHttpApi(options.http, { models: () => local, pardon: deployments.pardon, logger }).catch(giveUp);
  const started = await startRunnerProcess({
    host,
    firstPort: options.runnerPort,
    sandbox: options.sandbox,
    containers: options.containers ?? null,
    security: options.security ?? { RUNNER_SECURITY: "none", RUNNER_GATEWAY_TOKENS: "once" },
    python: options.python,
    stateDir,
    logger,
    onChange: () => deployments.observe(runner?.info() ?? null),
  }).catch(giveUp);
  runner = started;
  deployments.observe(started.info());
  let isFileRead = false;
  const wantAll = () => {
    if (isFileRead && local) deployments.want(local.wanted());
  };
  const own = await openLocalModels({
    stateDir,
    crunchId,
    pipSettings: options.pipSettings ?? {},
    trial: options.trial,
    deployments,
    python: () => started.info()?.sandbox.python,
    liveLog: started.log,
    onChange: wantAll,
    logger,
  }).catch(giveUp);
  local = own;
  function keepLogs(ids: readonly string[]): void {
    for (const id of ids) void started.log(id).then((text) => text !== undefined && own.logs.keep(id, text));
  }
  const file = watchModelsFile({
    path: options.modelsFile,
    crunchId,
    everyMs: POLL_MS,
    logger,
    onModels: (found) => {
      own.takeFile(found);
      isFileRead = true;
      wantAll();
      deployments.observe(started.info()); // models of an adopted runner are at work already
      getReady();
    },
  });
  const patience = setTimeout(getReady, READY_MS);
  logger.info(
    {
      port: servers[0]?.port,
      grpcPort: servers[1]?.port,
      httpPort: http?.port,
      crunchId,
      sandbox: started.info()?.sandbox,
    },
    "model orchestrator is ready",
  );
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= (async () => {
      file.close();
      clearTimeout(patience);
      own.close();
      await closeServers();
      await started.close();
      await quarantine.flush();
    })();
    return closed;
  };
  return {
    port: servers[0]?.port ?? 0,
    grpcPort: servers[1]?.port ?? null,
    httpPort: http?.port ?? null,
    info: () => {
      const seen = started.info();
      return {
        sandbox: {
          level: seen?.sandbox.level ?? null,
          tried: seen?.sandbox.tried ?? [],
          python: seen?.sandbox.python ?? null,
        },
        runnerPid: seen?.pid ?? null,
        models: deployments.info(),
      };
    },
    log: started.log,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The WebSocket, then gRPC where it is wanted. */
async function startEventServers(
  { host, port, grpcPort, logger }: OrchestratorOptions,
  source: EventSource,
): Promise<EventServer[]> {
  const first = await startEventServer({ host, port, logger, source });
  if (grpcPort === undefined) return [first];
  try {
    const { startGrpcServer } = await import("./grpc-server.ts");
    return [first, await startGrpcServer({ host, port: grpcPort, logger, source })];
  } catch (error) {
    await first.close();
    throw error;
  }
}
