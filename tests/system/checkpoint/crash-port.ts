import type { KeyPairSigner } from "@solana/kit";
import type { Attempt, ChainPort, FrozenPlan } from "../../../chain/port.ts";
import { createSolanaChain } from "../../../chain/solana/solana-chain.ts";
import type { Database } from "../../../db/database.ts";
import { planOf } from "../../../db/submissions.ts";
import type { CellSettings, Crash } from "./crash-cells.ts";
import { nonceOfCell, strikes } from "./crash-strikes.ts";

export interface CrashingOptions {
  id: string;
  cell: CellSettings;
  db: Database;
  signer: KeyPairSigner;
  say(line: string): void;
  /** comes back from a pause, never from a crash */
  stop(): Promise<void>;
}

/** The real adapter, with a place to be killed in and faults that strike beside it. Only the emission (part 0) crashes. */
export async function crashingPort(options: CrashingOptions): Promise<ChainPort> {
  const { id, cell, db, signer, stop } = options;
  const nonceAccount = await nonceOfCell(cell, signer.address);
  const inner = createSolanaChain({ rpcUrl: cell.rpcUrl, signer, nonceAccount, timeoutMs: 2_000 });
  const strike = strikes(options);
  const crashAt = (point: Crash): Promise<void> | undefined => (cell.crash === point ? stop() : undefined);
  return {
    ...inner,
    async sign(plan: FrozenPlan, ...rest) {
      if (plan.part > 0) return inner.sign(plan, ...rest);
      if (cell.crash === "before sign") await strike.beforeSending(plan);
      await crashAt("before sign");
      const attempt = await inner.sign(plan, ...rest);
      if (cell.crash === "signed, not stored") await strike.beforeSending(plan);
      await crashAt("signed, not stored");
      return attempt;
    },
    async broadcast(attempt: Attempt) {
      if (!(await isEmission(db, attempt))) return inner.broadcast(attempt);
      await strike.beforeSending((await planOf(db, id, 0))!);
      await crashAt("stored, not sent");
      const sent = inner.broadcast(attempt);
      await sent.catch(() => undefined);
      if (cell.crash === "sent, not acknowledged" || cell.crash === "acknowledged") await strike.afterSending(attempt);
      await crashAt("sent, not acknowledged");
      return sent;
    },
    async observe(plan: FrozenPlan, last?: Attempt, ...rest) {
      const verdict = await inner.observe(plan, last, ...rest);
      if (plan.part > 0) return verdict;
      if (verdict.kind === "final" || verdict.kind === "conflict") await crashAt("final, not recorded");
      else if (last && (await strike.isConfirmed(last))) {
        await strike.afterSending(last);
        await crashAt("confirmed");
      }
      return verdict;
    },
  };
}

const isEmission = async (db: Database, { id }: Attempt): Promise<boolean> => {
  const query = db.selectFrom("submission_attempts").select("part").where("signature", "=", id);
  return (await query.executeTakeFirstOrThrow()).part === 0;
};
