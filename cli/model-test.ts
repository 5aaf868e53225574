import { createReadStream, existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pino } from "pino";
import { type Config, localPath, pipSettings, readConfig } from "../config.ts";
import { type Built, createBuilder } from "../models/orchestrator/build.ts";
import { createEnvironments } from "../models/orchestrator/environment.ts";
import { readModelsFile } from "../models/orchestrator/models-file.ts";
import { startOrchestrator } from "../models/orchestrator/orchestrator.ts";
import { UploadError } from "../models/orchestrator/submission-files.ts";
import { openSubmissions } from "../models/orchestrator/submissions.ts";
import { type TrialPlace, type TrialReport, tryModel } from "../models/orchestrator/trial.ts";
import { trialText } from "../models/orchestrator/trial-text.ts";
import { findInterpreters } from "../models/runner/python.ts";
import { modelSamples } from "../workers/model-samples.ts";
import { modelFiles } from "./model-files.ts";
import type { ModelFlags } from "./model-flags.ts";

/** `almanac model test <path>`. Exit code 1: the model cannot run as it is. */
export async function testModelCommand(path: string, flags: ModelFlags): Promise<void> {
  const config = readConfig();
  const place: TrialPlace = {
    sandbox: config.SANDBOX,
    python: config.PYTHON,
    trusted: true, // whoever runs this command has the file at hand
    logger: pino({ level: "silent" }),
  };
  const report = await testModel(path, config, place, flags);
  console.log(flags.json ? JSON.stringify(report, bigintsAsText, 2) : trialText(report));
  if (!report.ok) process.exitCode = 1;
}

const bigintsAsText = (_key: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value);

/** The setting's, or the sample competition's own where there is none: a model can be tried before anything is set up. */
function modelsFileOf({ MODELS_FILE, COMPETITION }: Config): string {
  const beside = join(dirname(COMPETITION), "models.yaml");
  return !existsSync(MODELS_FILE) && existsSync(beside) ? beside : MODELS_FILE;
}

async function testModel(path: string, config: Config, place: TrialPlace, flags: ModelFlags): Promise<TrialReport> {
  const files = await modelFiles(path);
  const samples = await modelSamples(config);
  const modelsFile = modelsFileOf(config);
  const { packages } = await readModelsFile(modelsFile, config.CRUNCH_ID).catch((error: Error) => {
    throw new Error(`MODELS_FILE=${modelsFile} says where the base class is, and cannot be read: ${error.message}`);
  });
  const folder = await mkdtemp(join(tmpdir(), "almanac-model-test-"));
  try {
    const built = await build(files, folder, config, place);
    const deadlineMs = flags.timeout === undefined ? samples.deadlineMs : flags.timeout * 1_000;
    return await tryModel({ ...built, packages }, { ...samples, deadlineMs }, place);
  } catch (error) {
    if (!(error instanceof UploadError)) throw error;
    return { ...NOT_BUILT, problem: error.message };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const NOT_BUILT: TrialReport = {
  ok: false,
  code: "BUILD_FAILED",
  problem: null,
  sandbox: null,
  rounds: 0,
  startMs: null,
  p50Ms: null,
  maxMs: null,
  lastOutput: null,
  log: "",
};

/** As an upload is built; the packages stay for the next test. */
async function build(
  files: ReadonlyMap<string, string>,
  folder: string,
  config: Config,
  place: TrialPlace,
): Promise<Built> {
  const submissions = await openSubmissions(folder);
  const incoming = await submissions.receive();
  for (const [name, at] of files) await incoming.add(name, async () => createReadStream(at));
  const hash = await incoming.store();
  const environments = createEnvironments({
    stateDir: localPath(config, "model-test"),
    pipSettings: pipSettings(),
  });
  const python = () => modelPython(folder, place);
  const builder = createBuilder({ folderOf: submissions.folderOf, environments, python });
  return builder.build(hash, (text) => process.stderr.write(text));
}

/** The interpreter that works in this machine's boxes; the runner finds it out. */
async function modelPython(folder: string, { sandbox, python, logger }: TrialPlace) {
  await using orchestrator = await startOrchestrator({
    host: "127.0.0.1",
    port: 0,
    crunchId: "none",
    modelsFile: join(folder, "none.yaml"),
    runnerPort: 0,
    sandbox,
    python,
    stateDir: join(folder, "probe"),
    logger,
  });
  const executable = orchestrator.info().sandbox.python ?? python;
  const [found] = await findInterpreters(executable);
  return { executable, version: found?.version ?? [] };
}
