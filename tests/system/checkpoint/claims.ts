import type { ChainPort, FrozenPlan, Verdict } from "../../../chain/port.ts";
import type { Database } from "../../../db/database.ts";
import { planOf } from "../../../db/submissions.ts";

/**
 * A chain with a protocol program, as one may be some day: recipients claim by themselves. `claimedOf` is asked at each look, numbered from 0, how
 * many of them have.
 */
export function claimsPort(
  port: ChainPort,
  db: Database,
  claimedOf: (recipients: number, look: number) => number,
): ChainPort & { looks(): number } {
  let looks = 0;
  const claims = (plan: FrozenPlan): Verdict => {
    if (plan.payload.kind !== "claims") throw new TypeError("no claims");
    const of = plan.payload.claims.length;
    const claimed = claimedOf(of, looks++);
    return claimed === of
      ? { kind: "final", slot: String(looks), signature: null }
      : { kind: "claims", slot: String(looks), claimed, of };
  };
  return {
    ...port,
    looks: () => looks,
    freezePayouts: async ({ checkpoint, transfers }) => {
      const { genesis, base, key } = (await planOf(db, checkpoint, 0))!;
      const payload = { kind: "claims" as const, account: key.address, claims: [...transfers] };
      return [{ part: 1, genesis, base, key, payload, hash: "0".repeat(64) }];
    },
    shortfall: async () => null,
    observe: (plan, last, since) =>
      plan.payload.kind === "claims" ? Promise.resolve(claims(plan)) : port.observe(plan, last, since),
  };
}
