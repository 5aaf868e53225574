import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { z } from "zod";
import type { Builder, Built } from "./build.ts";
import type { Failure } from "./failure.ts";
import { readJsonFile, writeJsonFile } from "./json-file.ts";
import { slugName } from "./names.ts";
import { UploadError } from "./submission-files.ts";

const entry = z.object({
  id: z.string(),
  model_name: z.string(),
  crunch_id: z.string(),
  cruncher_id: z.string(),
  cruncher_name: z.string(),
  desired_state: z.enum(["RUNNING", "STOPPED"]),
  /** hash of what was uploaded last, and of what runs: the last that could be built */
  submission: z.string(),
  built: z.string().nullable(),
});
const file = z.object({ next: z.number().int().positive(), models: z.array(entry) });
type UploadedModel = Readonly<z.infer<typeof entry>>;

const NOT_PASSED =
  "It did not pass its test before the start: the builder log shows what it was asked and what it did.";

/** CREATED waits for its turn. */
type BuildState = "CREATED" | "BUILDING" | "FAILED" | "SUCCESS";
export interface Upload {
  readonly model: UploadedModel;
  readonly build: {
    readonly state: BuildState;
    readonly failure: Failure | null;
    /** for the author, where the build said more than its code does */
    readonly message: string | null;
    /** names its log */
    readonly job: string;
  };
  /** of `model.built`; null: nothing to run yet */
  readonly ready: Built | null;
}
type UploadChange = Partial<Pick<UploadedModel, "desired_state" | "model_name" | "cruncher_name" | "submission">>;
type NewUpload = Pick<UploadedModel, "submission" | "desired_state"> &
  Partial<Pick<UploadedModel, "model_name" | "cruncher_id" | "cruncher_name">>;

/** Models that came over HTTP: who they are, what they should do, how far their builds are. Kept in a file. */
export interface Uploads {
  list(): Upload[];
  find(id: string): Upload | undefined;
  add(wanted: NewUpload): Promise<UploadedModel>;
  /** undefined: there is no such model */
  change(id: string, change: UploadChange): Promise<UploadedModel | undefined>;
  /** False: there is no such model. */
  remove(id: string): Promise<boolean>;
  /** Builds again what failed. */
  rebuild(id: string): void;
  /** Resolves when no build is under way. */
  idle(): Promise<void>;
}

/** @throws Error naming the registry's file when it cannot be understood */
export async function openUploads(options: {
  stateDir: string;
  crunchId: string;
  builder: Builder;
  /** Runs what was built once; the sentence and the details of what it did wrong, or null. */
  trial: (built: Built, log: (text: string) => void) => Promise<Pick<Failure, "code"> | null>;
  log: (job: string) => (text: string) => void;
  /** ids that the models file has */
  taken: (id: string) => boolean;
  onChange: () => void;
  logger: Logger;
}): Promise<Uploads> {
  const { builder, logger, onChange } = options;
  const path = join(options.stateDir, "uploaded-models.json");
  await mkdir(options.stateDir, { recursive: true });
  const stored = await readJsonFile(path, file, { next: 1, models: [] });
  const uploads = new Map<string, Upload>();
  let { next } = stored;
  let writing: Promise<unknown> = Promise.resolve();
  let building: Promise<unknown> = Promise.resolve();
  const waiting = new Set<string>();

  const jobOf = ({ id, submission }: UploadedModel): string => `${id}_${submission.slice(0, 12)}`;
  const untried = (model: UploadedModel): Upload["build"] => ({
    state: "CREATED",
    failure: null,
    message: null,
    job: jobOf(model),
  });

  /** One after another, each with all that is known then; rejects when the disk refuses. */
  function store(): Promise<void> {
    const now = writing.then(() =>
      writeJsonFile(path, { next, models: [...uploads.values()].map(({ model }) => model) }),
    );
    writing = now.catch((error: unknown) => logger.error({ err: error, path }, "uploaded models cannot be stored"));
    return now;
  }

  function put(id: string, change: Partial<Upload>): void {
    const upload = uploads.get(id);
    if (upload) uploads.set(id, { ...upload, ...change });
  }

  function enqueue(id: string): void {
    if (waiting.has(id)) return;
    waiting.add(id);
    building = building
      .then(() => {
        waiting.delete(id);
        return build(id);
      })
      .catch((error: unknown) => logger.error({ err: error, model: id }, "a build was lost"));
  }

  async function build(id: string): Promise<void> {
    const upload = uploads.get(id);
    if (!upload) return;
    const { submission } = upload.model;
    const job = jobOf(upload.model);
    const log = options.log(job);
    put(id, { build: { ...untried(upload.model), state: "BUILDING" } });
    onChange();
    try {
      const built = await builder.build(submission, log);
      const problem = await options.trial(built, log);
      // Another submission came meanwhile: its own build is in the queue.
      if (uploads.get(id)?.model.submission !== submission) return;
      if (problem) fail(id, problem.code, NOT_PASSED, job);
      else await succeed(id, submission, built, job);
    } catch (error) {
      const said = error instanceof UploadError ? error.message : null;
      log(`\n${said ?? "This node failed; its own log has the cause."}\n`);
      if (said === null) logger.error({ err: error, model: id, job }, "a build failed by a fault of this node");
      if (uploads.get(id)?.model.submission === submission) fail(id, "BUILD_FAILED", said, job);
    }
    onChange();
  }

  function fail(id: string, code: Failure["code"], message: string | null, job: string): void {
    logger.warn({ model: id, job, code }, "a submission cannot be used");
    put(id, { build: { state: "FAILED", failure: { code, detail: null, at: Date.now() }, message, job } });
  }

  async function succeed(id: string, submission: string, ready: Built, job: string): Promise<void> {
    const { model } = uploads.get(id)!;
    put(id, { model: { ...model, built: submission }, ready, build: { ...untried(model), state: "SUCCESS", job } });
    await store();
    logger.info({ model: id, job }, "submission is built");
  }

  for (const model of stored.models) {
    const ready = model.built === null ? null : await builder.stored(model.built);
    const isDone = ready !== null && model.built === model.submission;
    uploads.set(model.id, { model, ready, build: { ...untried(model), state: isDone ? "SUCCESS" : "CREATED" } });
    if (!isDone) enqueue(model.id);
  }

  return {
    list: () => [...uploads.values()],
    find: (id) => uploads.get(id),
    async add({ submission, desired_state, ...names }) {
      let id = `u${next++}`;
      while (options.taken(id) || uploads.has(id)) id = `u${next++}`;
      const [first, second] = slugName(id).split("-");
      const model: UploadedModel = {
        id,
        model_name: names.model_name ?? `${first}-${second}`,
        crunch_id: options.crunchId,
        cruncher_id: names.cruncher_id ?? `cruncher-${id}`,
        cruncher_name: names.cruncher_name ?? names.cruncher_id ?? slugName(`cruncher-${id}`),
        desired_state,
        submission,
        built: null,
      };
      uploads.set(id, { model, ready: null, build: untried(model) });
      await store();
      enqueue(id);
      onChange();
      return model;
    },
    async change(id, change) {
      const upload = uploads.get(id);
      if (!upload) return undefined;
      const model = { ...upload.model, ...change };
      // The same files again are another try where the first one failed.
      const isRetry = change.submission !== undefined && upload.build.state === "FAILED";
      const isNew = isRetry || model.submission !== upload.model.submission;
      put(id, { model, ...(isNew ? { build: untried(model) } : {}) });
      await store();
      if (isNew) enqueue(id);
      onChange();
      return model;
    },
    async remove(id) {
      if (!uploads.delete(id)) return false;
      await store();
      onChange();
      return true;
    },
    rebuild(id) {
      if (uploads.get(id)?.build.state === "FAILED") enqueue(id);
    },
    idle: async () => {
      for (let seen: unknown; seen !== building; ) {
        seen = building;
        await seen;
      }
    },
  };
}
