import { z } from "zod";

/** States a public client knows. */
export type DeploymentState = "RUNNING" | "STOPPED" | "RECOVERING";
/** Why a client gave a model up. */
export type FailureCode = "CONNECTION_FAILED" | "BAD_IMPLEMENTATION" | "MULTIPLE_FAILED" | "MULTIPLE_TIMEOUT";

const id = z.string().min(1).max(200);
const infos = z.object({
  model_name: z.string().max(500).nullish(),
  cruncher_id: z.string().max(200).nullish(),
  cruncher_name: z.string().max(500).nullish(),
  cruncher_wallet_pubkey: z.string().max(200).nullish(),
  cruncher_hotkey: z.string().max(200).nullish(),
});
/** One deployment as the orchestrator tells it. `almanac` is our addition; public clients ignore it. */
export const deploymentEvent = z.object({
  deployment_id: id,
  model_id: id,
  infos: infos.nullish(),
  state: z.string(),
  ip: z.string().max(253).nullish(),
  port: z.number().int().min(1).max(65_535).nullish(),
  almanac: z.object({ sandbox: z.string(), fleet_port: z.number().int().min(1).max(65_535).optional() }).nullish(),
});
export type DeploymentEvent = z.infer<typeof deploymentEvent>;

/** init replaces everything a client knew, update changes single deployments. */
export const serverEvent = z.object({ event: z.enum(["init", "update"]), data: z.array(z.unknown()) });

/** `ip` only helps to tell deployments apart; `deployment_id` is ours and may be missing. */
export const failureReport = z.object({
  model_id: id,
  failure_code: z.string().max(100),
  failure_reason: z
    .string()
    .nullish()
    .transform((reason) => reason?.slice(0, 500) ?? null),
  ip: z.string(),
  deployment_id: id.optional(),
});
export type FailureReport = z.infer<typeof failureReport>;
