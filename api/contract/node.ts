import { z } from "zod";

export const health = z.object({ status: z.literal("ok"), version: z.string() });
export const liveness = z.object({ status: z.literal("ok") });
export const readiness = z.object({
  status: z.enum(["ready", "not ready"]),
  missing: z.array(z.object({ what: z.string(), why: z.string() })),
});

/** The first three fields are the public node's. */
export const nodeInfo = z.object({
  crunch_id: z.string(),
  crunch_address: z.string(),
  network: z.string(),
  title: z.string(),
  version: z.string(),
  sandbox: z.string().meta({ description: "how models are kept apart: bwrap, unshare, none; unknown without a model" }),
  temporal_ui: z.string(),
  namespaces: z.object({ rounds: z.string(), checkpoints: z.string() }),
});
export type NodeInfo = z.infer<typeof nodeInfo>;
