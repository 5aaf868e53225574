import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Logger } from "pino";
import { parse } from "yaml";
import { z } from "zod";

const id = z.coerce.string().regex(/^[\w.:@-]{1,128}$/, "letters, digits and _ . : @ -, at most 128");
const entry = z.object({
  id,
  name: z.string().max(128).optional(),
  submission_id: id.optional(),
  resource_id: z.coerce.string().max(128).optional(),
  hardware_type: z.string().max(32).optional(),
  /** absent, as in the public file: `submissions/<submission_id>` beside the file */
  code: z.string().min(1).optional(),
  /** absent: the crunch of this node */
  crunch_id: z.string().max(128).optional(),
  cruncher_id: z.coerce.string().min(1).max(128),
  cruncher_name: z.string().max(128).optional(),
  cruncher_wallet_pubkey: z.string().max(64).optional(),
  cruncher_hotkey: z.string().max(64).optional(),
  model_name: z.string().max(128).optional(),
  /** folders of installed packages for this model alone, such as a venv's site-packages */
  site: z.array(z.string()).default([]),
  desired_state: z
    .string()
    .toUpperCase()
    .pipe(z.enum(["RUNNING", "STOPPED"])),
  trusted: z.boolean().default(false),
});
const file = z.object({
  packages: z.array(z.string()).default([]),
  models: z
    .array(entry)
    .nullish()
    .transform((models) => models ?? []),
});

/** One wanted model. `version` changes with its submission, its files or its packages: another version is another deployment. */
export type WantedModel = Omit<z.infer<typeof entry>, "code" | "crunch_id" | "site"> & {
  readonly code: string;
  readonly crunch_id: string;
  readonly packages: readonly string[];
  /** folders with packages of its own choice */
  readonly site: readonly string[];
  readonly version: string;
};
export interface ModelsFile {
  readonly models: readonly WantedModel[];
  /** folders with packages for every model, and what tells that they changed */
  readonly packages: readonly string[];
  readonly packagesVersion: string;
}

type Entries = z.infer<typeof file>;

/** @throws Error naming the entry and what is wrong with it */
function entriesOf(text: string): Entries {
  const parsed = file.safeParse(parse(text));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new Error(`${issue?.path.join(".")}: ${issue?.message}`);
  }
  const ids = new Set<string>();
  for (const { id } of parsed.data.models) {
    if (ids.has(id)) throw new Error(`models: the id ${id} stands there twice`);
    ids.add(id);
  }
  return parsed.data;
}

/** @param crunchId of entries that name none @throws Error naming the entry and what is wrong with it */
export async function readModelsFile(path: string, crunchId: string): Promise<ModelsFile> {
  return wantedOf(entriesOf(await readFile(path, "utf8")), path, crunchId);
}

/** Looks at the code that the entries name. */
async function wantedOf({ models, packages: names }: Entries, path: string, crunchId: string): Promise<ModelsFile> {
  const folder = dirname(resolve(path));
  const packages = names.map((name) => resolve(folder, name));
  const shared = await Promise.all(packages.map(fingerprint));
  const codeOf = (model: (typeof models)[number], i: number): string => {
    if (model.code !== undefined) return resolve(folder, model.code);
    if (model.submission_id !== undefined) return resolve(folder, "submissions", model.submission_id);
    throw new Error(`models.${i}.code: give the path of its code, or a submission_id`);
  };
  const wanted = models.map(async (model, i) => {
    const code = codeOf(model, i);
    const site = model.site.map((name) => resolve(folder, name));
    const version = createHash("sha256").update(
      JSON.stringify([model.submission_id, code, await fingerprint(code), packages, shared, ...site]),
    );
    const crunch_id = model.crunch_id ?? crunchId;
    return { ...model, code, crunch_id, packages, site, version: version.digest("hex") };
  });
  return { models: await Promise.all(wanted), packages, packagesVersion: JSON.stringify(shared) };
}

/** Names, sizes and times of the Python files below a path; enough to notice that a model was edited. */
async function fingerprint(path: string): Promise<string[]> {
  const found = await stat(path).catch(() => null);
  if (found === null) return [];
  if (!found.isDirectory()) return [`${found.size}:${found.mtimeMs}`];
  const names = (await readdir(path, { recursive: true })).filter((name) => name.endsWith(".py")).sort();
  const stats = await Promise.all(names.map((name) => stat(join(path, name)).catch(() => null)));
  return names.map((name, i) => `${name}:${stats[i]?.size}:${stats[i]?.mtimeMs}`);
}

/** Reads the file each second. A file that cannot be used keeps the last good state and is logged once per mistake. */
export function watchModelsFile(options: {
  path: string;
  crunchId: string;
  everyMs: number;
  logger: Logger;
  onModels: (file: ModelsFile) => void;
}): { close(): void } {
  const { path, logger } = options;
  let known: { readonly text: string; readonly entries: Entries } | undefined;
  let last = "";
  let problem = "";
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  async function look(): Promise<void> {
    try {
      const text = await readFile(path, "utf8");
      if (known?.text !== text) known = { text, entries: entriesOf(text) }; // hundreds of entries take a tenth of a second
      const found = await wantedOf(known.entries, path, options.crunchId);
      const now = JSON.stringify(found);
      problem = "";
      if (now !== last && !closed) options.onModels(found);
      last = now;
    } catch (error) {
      const message = (error as Error).message;
      if (message !== problem)
        logger.error(
          { file: path, problem: message },
          "models file cannot be used; the last good list stays in force. Correct the file: it is read again each second",
        );
      problem = message;
    }
    if (!closed) timer = setTimeout(look, options.everyMs);
  }

  void look();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}
