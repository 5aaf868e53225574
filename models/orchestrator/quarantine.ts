import type { Logger } from "pino";
import { z } from "zod";
import { type ErrorCode, isErrorCode } from "./failure.ts";
import { readJsonFile, writeJsonFile } from "./json-file.ts";

/** What is not started again: these files, with these resources, on this hardware; whatever model or name they come under. */
export interface QuarantineKey {
  /** of the files and packages, so that a correction is another one */
  readonly submission: string;
  readonly resource: string;
  readonly hardware: string;
}
const entry = z.object({
  submission: z.string(),
  resource: z.string(),
  hardware: z.string(),
  model_id: z.string(),
  code: z.custom<ErrorCode>((value) => typeof value === "string" && isErrorCode(value), "unknown error code"),
  at: z.number(),
});
export type QuarantineEntry = z.infer<typeof entry>;
const file = z.object({ entries: z.array(entry) });

/** Submissions that failed too often; kept in a file, so that a restart is no pardon. */
export interface Quarantine {
  find(key: QuarantineKey): QuarantineEntry | undefined;
  add(key: QuarantineKey, modelId: string, code: ErrorCode, at: number): void;
  /** By the operator. True: there was one. */
  lift(key: QuarantineKey): boolean;
  /** Resolves when all that was said is on the disk. */
  flush(): Promise<void>;
}

/** @throws Error naming the file when it cannot be understood */
export async function openQuarantine(path: string, logger: Logger): Promise<Quarantine> {
  const { entries } = await readJsonFile(path, file, { entries: [] });
  const byKey = new Map(entries.map((found) => [textOf(found), found]));
  let writing: Promise<void> = Promise.resolve();
  const store = () => {
    writing = writing
      .then(() => writeJsonFile(path, { entries: [...byKey.values()] }))
      .catch((error: unknown) => logger.error({ err: error, path }, "the quarantine cannot be stored"));
  };
  return {
    find: (key) => byKey.get(textOf(key)),
    add({ submission, resource, hardware }, model_id, code, at) {
      byKey.set(textOf({ submission, resource, hardware }), { submission, resource, hardware, model_id, code, at });
      store();
    },
    lift(key) {
      const had = byKey.delete(textOf(key));
      if (had) store();
      return had;
    },
    flush: () => writing,
  };
}

const textOf = ({ submission, resource, hardware }: QuarantineKey): string =>
  JSON.stringify([submission, resource, hardware]);
