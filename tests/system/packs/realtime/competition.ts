import { realtime } from "../../../../competitions/realtime/contract.ts";

/** The pack's contract at the pace of a test, with windows short enough to differ within it. */
export default realtime({
  pace: { everyMs: 1_000, horizonMs: 2_000 },
  windows: [
    { name: "score_recent", hours: 0.005 },
    { name: "score_steady", hours: 0.01 },
    { name: "score_anchor", hours: 168 },
  ],
});
