import type { Logger } from "pino";
import { type Config, localPath, pipSettings } from "../config.ts";
import type { Trial } from "../models/orchestrator/local-models.ts";
import { startOrchestrator } from "../models/orchestrator/orchestrator.ts";
import { tryModel } from "../models/orchestrator/trial.ts";
import { trialText } from "../models/orchestrator/trial-text.ts";
import type { RunnerSecuritySettings } from "../models/secure/from-settings.ts";
import type { Role } from "./context.ts";
import { modelSamples } from "./model-samples.ts";

/** Runs and watches the models; needs neither database nor Temporal. */
export async function startOrchestratorRole(config: Config, log: Logger): Promise<Role> {
  const orchestrator = await startOrchestrator({
    host: config.ORCHESTRATOR_HOST,
    port: config.ORCHESTRATOR_PORT,
    grpcPort: config.ORCHESTRATOR_GRPC_PORT,
    crunchId: config.CRUNCH_ID,
    modelsFile: config.MODELS_FILE,
    runnerPort: config.RUNNER_PORT,
    sandbox: config.SANDBOX,
    containers: config.MODEL_BACKEND === "docker" ? { engine: config.DOCKER_HOST, image: config.MODEL_IMAGE } : null,
    security: runnerSecurity(config),
    python: config.PYTHON,
    stateDir: localPath(config),
    ...(config.ORCHESTRATOR_HTTP_PORT === 0
      ? {}
      : {
          http: {
            host: config.ORCHESTRATOR_HTTP_HOST,
            port: config.ORCHESTRATOR_HTTP_PORT,
            apiKey: config.ORCHESTRATOR_API_KEY,
          },
        }),
    ...(config.MODEL_TEST_ON_UPLOAD ? { trial: createTrial(config, log) } : {}),
    pipSettings: pipSettings(),
    restartsPerHour: config.MODEL_MAX_RESTARTS_PER_HOUR,
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

/** Uploaded models are strangers: they are tried in a box, or not at all. */
const createTrial =
  (config: Config, logger: Logger): Trial =>
  async (model, log) => {
    const place = { sandbox: config.SANDBOX, python: config.PYTHON, trusted: false, logger };
    const report = await tryModel(model, await modelSamples(config), place);
    log(`\n${trialText(report)}\n`);
    return report.ok ? null : { code: report.code ?? "RUN_FAILED" };
  };

const runnerSecurity = (config: Config): RunnerSecuritySettings => ({
  RUNNER_SECURITY: config.RUNNER_SECURITY,
  RUNNER_CERT_DIR: config.RUNNER_CERT_DIR,
  RUNNER_COORDINATOR_KEYS: config.RUNNER_COORDINATOR_KEYS,
  RUNNER_COORDINATOR_WALLET: config.RUNNER_COORDINATOR_WALLET,
  RUNNER_COORDINATOR_HOTKEY: config.RUNNER_COORDINATOR_HOTKEY,
  RUNNER_GATEWAY_TOKENS: config.RUNNER_GATEWAY_TOKENS,
});
