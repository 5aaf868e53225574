import { type Contender, type Ranked, rank } from "../domain/emission.ts";

/** A model with a cruncher of its own, unless `more` says otherwise. */
export const contender = (modelId: string, value: number, more: Partial<Contender> = {}): Contender => ({
  ...{ modelId, modelName: modelId, cruncherId: `c-${modelId}`, cruncherName: `c-${modelId}`, value },
  ...{ predictionCount: 10, snapshotCount: 1, summary: { value } },
  ...more,
});

/** m000, m001 and so on with these values. */
export const field = (...values: number[]): Contender[] =>
  values.map((value, i) => contender(`m${String(i).padStart(3, "0")}`, value));

/** The same, ranked, larger first. */
export const ranked = (...values: number[]): Ranked[] => rank(field(...values), "desc");
