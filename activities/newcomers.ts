import type { Competition } from "../competitions/competition.ts";
import type { NewcomerRule } from "../db/deployments.ts";

/** Scored rounds count from a new deployment on where that begins a standing of its own. */
export const newcomerRule = ({ provisionalRounds = 0, onNewDeployment = "keep" }: Competition): NewcomerRule => ({
  rounds: provisionalRounds,
  perDeployment: onNewDeployment !== "keep",
});
