/** The competition that seeds write: four models of different skill. */
export const CRUNCH = "starter-challenge";
export const SCOPE_KEY = "SP500-20";
export const EVERY_MS = 5_000;
export const HORIZON_MS = 20_000;
export const WINDOW_MS = 60_000;
export const SCORER = "5c0e5c0e5c0e5c0e";
export const CONTRACT = "c0417ac7";
export const HOUR_MS = 3_600_000;

export const MODELS = [
  { id: "model-1", name: "momentum", cruncher: "alice", skill: 0.42 },
  { id: "model-2", name: "volatility-trend", cruncher: "carol", skill: 0.31 },
  { id: "model-3", name: "mean-reversion", cruncher: "bob", skill: 0.02 },
  { id: "model-4", name: "slow-thinker", cruncher: "alice", skill: -0.18 },
] as const;
