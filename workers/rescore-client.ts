import type { RescoreRuns } from "../api/deps.ts";
import type { Config } from "../config.ts";
import type { LazyClient } from "./lazy-client.ts";

/** How the API tells the node's workflows of a rescore job. */
export const rescoreRuns = ({ CRUNCH_ID: competition }: Config, temporal: LazyClient): RescoreRuns => ({
  start: async (id) => {
    const { startRescoreWorkflow } = await import("../activities/rescore-runs.ts");
    await temporal.use((client) => startRescoreWorkflow(client, { competition, id }));
  },
});
