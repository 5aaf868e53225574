import type { DecisionActivities } from "../activities/decision.ts";
import { DECISION_WORDS } from "./checkpoint-words.ts";
import { described } from "./described.ts";

export type { Inspection } from "../activities/decision.ts";

/** What a decision writes and reads, beside what it moves. */
export const deciding = described<DecisionActivities>(
  {
    startToCloseTimeout: "30s",
    heartbeatTimeout: "10s",
    retry: { initialInterval: "500ms", backoffCoefficient: 2, maximumInterval: "15s" },
  },
  DECISION_WORDS,
);
