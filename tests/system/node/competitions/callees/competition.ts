import type { Callees, DeploymentPolicy } from "../../../../../competitions/competition.ts";
import { defineCompetition } from "../../../../../competitions/define.ts";

const everyMs = 1_000;

/** The real contract in seconds, with what it says about whom to call taken from the environment. */
export default defineCompetition({
  id: "callees",
  callees: JSON.parse(process.env.CALLEES ?? '{"kind":"all"}') as Callees,
  onNewDeployment: (process.env.ON_NEW_DEPLOYMENT ?? "keep") as DeploymentPolicy,
  provisionalRounds: Number(process.env.PROVISIONAL_ROUNDS ?? 0),
  schedule: (subjects) =>
    subjects.map((subject) => ({
      scopeKey: `${subject}-callees`,
      scope: { subject, resolve_horizon_seconds: 2, step_seconds: everyMs / 1_000 },
      ...{ everyMs, resolveAfterMs: 2_000, giveUpAfterMs: 10_000 },
    })),
  score: (prediction, truth) => ({ value: prediction.value * truth.profit * 10_000 }),
});
