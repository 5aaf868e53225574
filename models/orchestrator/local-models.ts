import type { Logger } from "pino";
import { findInterpreters } from "../runner/python.ts";
import { type Built, createBuilder } from "./build.ts";
import type { Deployments } from "./deployments.ts";
import { createEnvironments, type TargetPython } from "./environment.ts";
import type { Failure } from "./failure.ts";
import { type Logs, openLogs } from "./logs.ts";
import { type ModelView, modelViews } from "./model-view.ts";
import type { ModelsFile, WantedModel } from "./models-file.ts";
import { openSubmissions, type Submissions } from "./submissions.ts";
import { openUploads, type Uploads } from "./uploads.ts";
import { claimedTwice, wantedModels } from "./wanted.ts";

/** Nothing is removed that a model which is just being replaced may still read. */
const CLEAN_UP_MS = 300_000;

/** Runs a built submission once before it may start. null: it works. The details go to `log`, for its author. */
export type Trial = (
  model: Built & { readonly packages: readonly string[] },
  log: (text: string) => void,
) => Promise<Pick<Failure, "code"> | null>;

/** The models of this node: those of the models file and those that were uploaded. */
export interface LocalModels {
  readonly uploads: Uploads;
  readonly submissions: Submissions;
  readonly logs: Logs;
  /** What should run, as of now. */
  wanted(): WantedModel[];
  takeFile(file: ModelsFile): void;
  list(): ModelView[];
  close(): void;
}

export async function openLocalModels(options: {
  stateDir: string;
  crunchId: string;
  pipSettings: Readonly<Record<string, string>>;
  trial: Trial | undefined;
  deployments: Deployments;
  /** executable that models run under */
  python: () => string | undefined;
  liveLog: (deploymentId: string) => Promise<string | undefined>;
  onChange: () => void;
  logger: Logger;
}): Promise<LocalModels> {
  const { stateDir, logger, deployments } = options;
  let file: ModelsFile = { models: [], packages: [], packagesVersion: "" };
  let uploads: Uploads | undefined;
  let target: Promise<TargetPython> | undefined;
  let complained = "";
  const { promise: fileRead, resolve: readFile } = Promise.withResolvers<void>();
  const submissions = await openSubmissions(stateDir);
  const stopping = new AbortController();
  const environments = createEnvironments({
    stateDir,
    pipSettings: options.pipSettings,
    signal: stopping.signal,
  });

  async function ask(): Promise<TargetPython> {
    const executable = options.python();
    if (executable === undefined) throw new Error("the model runner is being restarted");
    const [found] = await findInterpreters(executable);
    return { executable, version: found?.version ?? [] };
  }
  const python = () => {
    target ??= ask().catch((error) => {
      target = undefined;
      throw error;
    });
    return target;
  };

  const logs = openLogs({
    stateDir,
    live: options.liveLog,
    isRunning: (id) => deployments.info().some((run) => run.deploymentId === id && run.state !== "STOPPED"),
    isBuilding: (job) =>
      uploads?.list().some(({ build }) => build.job === job && /CREATED|BUILDING/.test(build.state)) ?? false,
  });

  function tellTwice(): void {
    const twice = claimedTwice(file, uploads?.list() ?? []).join(", ");
    if (twice !== "" && twice !== complained)
      logger.error({ models: twice }, "the models file and uploads both have these ids: those of the file run");
    complained = twice;
  }

  const opened = await openUploads({
    stateDir,
    crunchId: options.crunchId,
    builder: createBuilder({ folderOf: submissions.folderOf, environments, python }),
    trial: async (built, log) => {
      if (!options.trial) return null;
      await fileRead; // it says where the base class is
      return options.trial({ ...built, packages: file.packages }, log);
    },
    log: logs.beginBuild,
    taken: (id) => file.models.some((model) => model.id === id),
    onChange: () => {
      if (uploads === undefined) return; // the first list comes with the file
      tellTwice();
      options.onChange();
      cleanUpLater();
    },
    logger,
  });
  uploads = opened;

  async function cleanUp(): Promise<void> {
    const all = opened.list();
    if (all.some(({ build }) => /CREATED|BUILDING/.test(build.state))) return;
    await submissions.prune(new Set(all.flatMap(({ model }) => [model.submission, model.built ?? ""])));
    await environments.prune(new Set(all.flatMap(({ ready }) => ready?.site ?? [])));
  }
  let timer: NodeJS.Timeout | undefined;
  function cleanUpLater(): void {
    clearTimeout(timer);
    timer = setTimeout(
      () => void cleanUp().catch((error: unknown) => logger.warn({ err: error }, "unused submissions stay")),
      CLEAN_UP_MS,
    ).unref();
  }

  return {
    uploads: opened,
    submissions,
    logs,
    wanted: () => wantedModels(file, opened.list()),
    takeFile(found) {
      const { models } = found;
      file = { ...found, models: models.filter((model) => model.crunch_id === options.crunchId) };
      tellTwice();
      readFile();
    },
    list: () =>
      modelViews({
        file,
        uploads: opened.list(),
        deployments: deployments.info(),
        isEnding: deployments.isEnding,
        twice: claimedTwice(file, opened.list()),
      }),
    close() {
      clearTimeout(timer);
      stopping.abort();
    },
  };
}
