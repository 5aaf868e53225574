import type { DeploymentEvent, DeploymentState } from "../protocol/orchestrator-messages.ts";
import type { Failure } from "./failure.ts";
import type { WantedModel } from "./models-file.ts";
import { slugName } from "./names.ts";
import type { QuarantineKey } from "./quarantine.ts";

/** One version of one model, from its first start to its end. */
export interface Deployment {
  readonly id: string;
  readonly model: WantedModel;
  /** what clients were told last; null: nothing yet */
  state: DeploymentState | null;
  port: number | null;
  reason: string | null;
  failure: Failure | null;
  /** a newer one takes its place as soon as that runs */
  retiring: boolean;
  /** times of the last hour at which its process was lost by its own fault, epoch ms */
  restarts: number[];
  badImplementations: number;
  /** the process number that was seen last, and the one that our own restarts lead to */
  incarnation: number | null;
  expected: number;
  downSince: number | null;
}

/** What a submission is locked away by. */
export const keyOf = ({ version, resource_id, hardware_type }: WantedModel): QuarantineKey => ({
  submission: version,
  resource: resource_id ?? "",
  hardware: hardware_type ?? "CPU",
});

/** What people call it: its own name, or two words that follow from its id. */
export const displayName = ({ id, model_name, name }: WantedModel): string => model_name ?? name ?? slugName(id);

/** A deployment as clients hear of it. `almanac` is our addition; public clients ignore it. */
export const deploymentEventOf = (
  { id, model, state, port }: Deployment,
  host: string,
  almanac: DeploymentEvent["almanac"],
): DeploymentEvent => ({
  deployment_id: id,
  model_id: model.id,
  infos: {
    model_name: displayName(model),
    cruncher_id: model.cruncher_id,
    cruncher_name: model.cruncher_name ?? model.cruncher_id,
    cruncher_wallet_pubkey: model.cruncher_wallet_pubkey ?? model.cruncher_id,
    cruncher_hotkey: model.cruncher_hotkey ?? null,
  },
  state: state ?? "STOPPED",
  ip: host,
  port,
  ...(almanac ? { almanac } : {}),
});
