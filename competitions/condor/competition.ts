import { condor } from "./contract.ts";

/** Density forecasts of log returns over an hour and a day, ranked by their CRPS: smaller is better. */
export default condor();
