export { backfill } from "./backfill.ts";
export { emissionCheckpoint } from "./emission-checkpoint.ts";
export { predictionRound } from "./prediction-round.ts";
export { reconcile, startWindows } from "./reconcile.ts";
export { rescore } from "./rescore.ts";
export { retention } from "./retention.ts";
export { scoringWindow } from "./scoring-window.ts";
export { startCheckpoints } from "./start-checkpoints.ts";
export { tournamentRound } from "./tournament-round.ts";
