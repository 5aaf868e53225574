import { defineCompetition } from "../../../../../competitions/define.ts";

/** The quick competition whose rules are Python. */
export default defineCompetition({
  id: "pythonic",
  schedule: (subjects) =>
    subjects.map((subject) => ({
      scopeKey: `${subject}-pythonic`,
      scope: { subject, resolve_horizon_seconds: 2, step_seconds: 1 },
      everyMs: 1_000,
      resolveAfterMs: 2_000,
      giveUpAfterMs: 20_000,
    })),
  score: "rules:score",
  buildInput: "rules:build_input",
  resolveTruth: "rules:resolve",
});
