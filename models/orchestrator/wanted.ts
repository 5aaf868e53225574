import { createHash } from "node:crypto";
import type { ModelsFile, WantedModel } from "./models-file.ts";
import type { Upload } from "./uploads.ts";

/** Ids that both sources claim. The file wins: it is what the operator wrote. */
export const claimedTwice = (file: ModelsFile, uploads: readonly Upload[]): string[] =>
  uploads.map(({ model }) => model.id).filter((id) => file.models.some((model) => model.id === id));

/** Both sources of models as one list; an upload without a build that can run is not in it. */
export function wantedModels(file: ModelsFile, uploads: readonly Upload[]): WantedModel[] {
  const twice = new Set(claimedTwice(file, uploads));
  const own = uploads.filter(({ model }) => !twice.has(model.id));
  return [...file.models, ...own.flatMap((upload) => fromUpload(file, upload) ?? [])];
}

function fromUpload({ packages, packagesVersion }: ModelsFile, { model, ready }: Upload): WantedModel | null {
  if (ready === null || model.built === null) return null;
  const version = createHash("sha256").update(JSON.stringify([model.built, ready.site, packages, packagesVersion]));
  return {
    id: model.id,
    submission_id: model.built,
    crunch_id: model.crunch_id,
    cruncher_id: model.cruncher_id,
    cruncher_name: model.cruncher_name,
    model_name: model.model_name,
    desired_state: model.desired_state,
    trusted: false,
    code: ready.code,
    packages,
    site: ready.site,
    version: version.digest("hex"),
  };
}
