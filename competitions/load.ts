import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import type { Competition, ScheduledScope } from "./competition.ts";

/** A competition with the hashes that pin what its rounds ran under. */
export interface LoadedCompetition {
  competition: Competition;
  scopes: readonly ScheduledScope[];
  /** of the contract's source and schedule: recorded on each round */
  contractHash: string;
  /** of the scorer's source: versions the scores */
  scorerHash: string;
  /** what the hash was taken over, stored once per hash */
  contractBody: { sources: Record<string, string>; schedule: readonly ScheduledScope[] };
}

const callable = z.custom<() => unknown>((v) => typeof v === "function", "must be a function");
const contract = z.looseObject({
  id: z.string().min(1),
  score: callable,
  schedule: callable,
  buildInput: callable,
  resolveTruth: callable,
});
const scopes = z
  .array(
    z.object({
      scopeKey: z.string().regex(/^[\w.:-]{1,100}$/, "letters, digits, _ . : and - only"),
      scope: z.looseObject({ subject: z.string().min(1) }),
      everyMs: z.number().int().positive(),
      phaseMs: z.number().int().optional(),
      resolveAfterMs: z.number().int().nonnegative(),
      giveUpAfterMs: z.number().int().positive(),
    }),
  )
  .min(1, "at least one scope");

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

async function sourcesOf(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts")).sort();
  return Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), "utf8")])),
  );
}

/** Imports the module at `path` (relative to the working directory) and checks what it exports; errors name the field. */
export async function loadCompetition(path: string, subjects: readonly string[]): Promise<LoadedCompetition> {
  const file = resolve(path);
  const module = await import(pathToFileURL(file).href).catch((cause: unknown) => {
    throw new Error(
      `COMPETITION=${path} cannot be loaded: ${String(cause)}. Give the path of a module that exports a competition.`,
      { cause },
    );
  });
  const shape = contract.safeParse(module.default);
  if (!shape.success)
    throw new Error(`COMPETITION=${path}: the default export is not a competition: ${z.prettifyError(shape.error)}`);
  const competition = module.default as Competition;
  const schedule = scopes.safeParse(competition.schedule(subjects));
  if (!schedule.success) throw new Error(`COMPETITION=${path}: schedule: ${z.prettifyError(schedule.error)}`);
  const contractBody = { sources: await sourcesOf(dirname(file)), schedule: schedule.data as ScheduledScope[] };
  return {
    competition,
    scopes: contractBody.schedule,
    contractBody,
    contractHash: sha256(JSON.stringify(contractBody)),
    scorerHash: sha256(JSON.stringify(contractBody.sources)),
  };
}
