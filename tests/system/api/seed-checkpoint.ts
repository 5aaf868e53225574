import { type Actor, insertSealed, transition } from "../../../db/checkpoints.ts";
import type { Database } from "../../../db/database.ts";
import type { CheckpointPhase } from "../../../domain/checkpoint.ts";
import { checkpointId } from "../../../domain/ids.ts";
import { MODELS } from "./seed-models.ts";

const WALLETS = [
  "7QxW9vK1c2sN4mT8dLrYbHfE3pZgJ5uA6oCiRkVtXyB1",
  "4hGkLm2QpRs7TuVw9XyZa1Bc3De5Fg6Hj8KmNnPqRsTu",
  "9ZyXwVuTsRqPoNmLkJiHgFeDcBa8765432ZyXwVuTsRq",
];

export async function seedCheckpoint(db: Database, endMs: number, steps: readonly CheckpointPhase[]): Promise<string> {
  const shares = [
    { cruncher: "alice", frac64: 550_000_000 },
    { cruncher: "carol", frac64: 250_000_000 },
    { cruncher: "bob", frac64: 200_000_000 },
  ];
  const emission = {
    crunch: "crunch-pubkey",
    cruncher_rewards: shares.map((s, i) => ({ cruncher_index: i, reward_pct: s.frac64 })),
    compute_provider_rewards: [{ provider: "compute", reward_pct: 1_000_000_000 }],
    data_provider_rewards: [],
  };
  const meta = {
    snapshot_count: 8,
    model_count: 4,
    ranking: MODELS.map((m, i) => ({
      model_id: m.id,
      model_name: m.name,
      cruncher_id: `cruncher-${m.cruncher}`,
      rank: i + 1,
      value: m.skill,
      prediction_count: 24,
      reward_frac64: 250_000_000,
    })),
    recipients: shares.map((s, i) => ({
      cruncher_id: `cruncher-${s.cruncher}`,
      name: s.cruncher,
      address: WALLETS[i]!,
      cruncher_index: i,
      frac64: s.frac64,
    })),
  };
  const id = checkpointId(endMs);
  const by: Actor = { actor: "emissionCheckpoint", cause: "period ended", runId: "run-1", activityAttempt: 1 };
  await db.transaction().execute((tx) =>
    insertSealed(
      tx,
      {
        id,
        startMs: endMs - 120_000,
        endMs,
        phase: "SEALED",
        cause: null,
        entries: [emission],
        emission,
        meta,
        merkleRoot: "9f".repeat(32),
        emissionHash: "3c".repeat(32),
      },
      by,
    ),
  );
  let from: CheckpointPhase = "SEALED";
  let attempt = 1;
  for (const to of steps) {
    const current = from;
    await db.transaction().execute((tx) =>
      transition(tx, {
        checkpointId: id,
        from: current,
        to,
        attempt,
        ...by,
        cause: CAUSE[to] ?? "next step",
        txHash: to === "SEEN" ? `5gT${id.slice(4, 12)}QmZ8vKxW2nRtYpL4sDfGhJk7` : null,
      }),
    );
    if (from === "SENT" && to === "PLANNED") attempt += 1;
    from = to;
  }
  return id;
}

const CAUSE: Partial<Record<CheckpointPhase, string>> = {
  AWAITING_APPROVAL: "sealed",
  PLANNED: "approved: LOCAL approves by itself",
  SIGNED: "attempt signed and stored",
  SENT: "broadcast",
  SEEN: "the marker is on chain, confirmed",
  FINAL: "finalized",
  CLAIMABLE: "the payout plan is frozen",
  PAYING: "first payout batch sent",
  PAID: "every payout batch is final",
};
