import { condor } from "./contract.ts";
import { densityScore } from "./score.ts";

/**
 * The same questions scored as the public Condor game does: mean density, larger is better, 0 for who did not answer. It rewards
 * forecasts sharper than the truth, which is why it is not the default. COMPETITION=competitions/condor/density-game.ts.
 */
export default condor({
  id: "condor-density",
  title: "Condor: mean density",
  score: densityScore,
  ranking: { key: "score_anchor", direction: "desc" },
  missing: {
    ABSENT: { kind: "fixed", value: 0 },
    TIMEOUT: { kind: "fixed", value: 0 },
    FAILED: { kind: "fixed", value: 0 },
  },
  compat: "crunch-node",
});
