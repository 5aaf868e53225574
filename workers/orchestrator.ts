import type { Logger } from "pino";
import { type Config, localPath } from "../config.ts";
import { startOrchestrator } from "../models/orchestrator/orchestrator.ts";
import type { Role } from "./context.ts";

/** Runs and watches the models; needs neither database nor Temporal. */
export async function startOrchestratorRole(config: Config, log: Logger): Promise<Role> {
  const orchestrator = await startOrchestrator({
    host: config.ORCHESTRATOR_HOST,
    port: config.ORCHESTRATOR_PORT,
    crunchId: config.CRUNCH_ID,
    modelsFile: config.MODELS_FILE,
    runnerPort: config.RUNNER_PORT,
    sandbox: config.SANDBOX,
    python: config.PYTHON,
    stateDir: localPath(config),
    logger: log,
  });
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  return {
    name: "orchestrator",
    run: () => ended,
    drain: async () => {
      await orchestrator.close();
      end();
    },
    missing: async () => [],
  };
}
