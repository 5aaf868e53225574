import { resolve } from "node:path";
import type { Logger } from "pino";
import type { SandboxLevel, SandboxMode } from "../runner/box.ts";
import { createDeployments, type DeploymentInfo } from "./deployments.ts";
import { type EventServer, startEventServer } from "./event-server.ts";
import { watchModelsFile } from "./models-file.ts";
import { type RunnerProcess, startRunnerProcess } from "./runner-process.ts";

const POLL_MS = 1000;

export interface OrchestratorOptions {
  readonly host: string;
  /** of the WebSocket; 0 takes any */
  readonly port: number;
  /** the crunch that this node runs; entries of others are not started */
  readonly crunchId: string;
  readonly modelsFile: string;
  /** first port of the models, one each upward; 0 takes any */
  readonly runnerPort: number;
  readonly sandbox: SandboxMode;
  /** interpreter for models, name or path */
  readonly python: string;
  /** private folder of the runner; made when absent */
  readonly stateDir: string;
  readonly logger: Logger;
}
interface OrchestratorInfo {
  /** level null: no runner at the moment */
  readonly sandbox: {
    readonly level: SandboxLevel | null;
    readonly tried: readonly string[];
    readonly python: string | null;
  };
  readonly runnerPid: number | null;
  readonly models: readonly DeploymentInfo[];
}
export interface Orchestrator extends AsyncDisposable {
  readonly port: number;
  info(): OrchestratorInfo;
  /** Stops the runner and every model. */
  close(): Promise<void>;
}

/**
 * Runs the models of a models file and tells clients about them.
 * @throws Error naming cause and cure: no Python, no sandbox under `required`, port taken
 */
export async function startOrchestrator(options: OrchestratorOptions): Promise<Orchestrator> {
  const { logger, host } = options;
  const ip = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  let server: EventServer | undefined;
  let runner: RunnerProcess | undefined;
  const deployments = createDeployments({
    host: ip,
    logger,
    now: Date.now,
    apply: (models) => runner?.apply(models),
    restart: (id, why) => runner?.restart(id, why),
    publish: (crunchId, events) => server?.publish(crunchId, events),
  });
  server = await startEventServer({
    host,
    port: options.port,
    logger,
    events: deployments.events,
    knows: deployments.knows,
    onReport: deployments.reported,
  });
  const own = server;
  try {
    runner = await startRunnerProcess({
      host,
      firstPort: options.runnerPort,
      sandbox: options.sandbox,
      python: options.python,
      stateDir: resolve(options.stateDir),
      logger,
      onChange: () => deployments.observe(runner?.info() ?? null),
    });
  } catch (error) {
    await own.close();
    throw error;
  }
  const started = runner;
  deployments.observe(started.info());
  const file = watchModelsFile({
    path: options.modelsFile,
    everyMs: POLL_MS,
    logger,
    onModels: (models) => deployments.want(models.filter((model) => model.crunch_id === options.crunchId)),
  });
  logger.info(
    { port: own.port, crunchId: options.crunchId, sandbox: started.info()?.sandbox },
    "model orchestrator is ready",
  );
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= (async () => {
      file.close();
      await own.close();
      await started.close();
    })();
    return closed;
  };
  return {
    port: own.port,
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
    close,
    [Symbol.asyncDispose]: close,
  };
}
