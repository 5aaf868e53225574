import { realtime } from "./contract.ts";

/** Returns over the next 20 seconds, asked every 5 seconds: the competition that `npm start` plays. */
export default realtime();
