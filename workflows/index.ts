export { emissionCheckpoint } from "./emission-checkpoint.ts";
export { predictionRound } from "./prediction-round.ts";
export { reconcile, startWindows } from "./reconcile.ts";
export { scoringWindow } from "./scoring-window.ts";
export { startCheckpoints } from "./start-checkpoints.ts";
