import { afterAll, beforeAll, expect, test } from "vitest";
import { type InProcessChain, openDevChain } from "../../../chain/dev-chain/in-process.ts";
import type { Attempt, ChainPort, FrozenPlan } from "../../../chain/port.ts";
import { batchesOf } from "../../../db/payouts.ts";
import { attemptOf, planOf } from "../../../db/submissions.ts";
import { checkpointId } from "../../../domain/ids.ts";
import type { Period } from "../../../domain/period.ts";
import * as w from "./world.ts";

// Short form of the matrix in spec/onchain.md section 2: every cell is a checkpoint of its own on a chain of its own, all under the
// real workflow at once. A crash is an activity that ends without an answer; the workflow only ever sees it as a retry.
const CRASHES = [
  "none",
  "before sign",
  "signed, not stored",
  "stored, not sent",
  "sent, not acknowledged",
  "final, not recorded",
] as const;
const FAULTS = ["none", "lying ack", "timeout after accept", "fork"] as const;

interface Cell {
  crash: (typeof CRASHES)[number];
  fault: (typeof FAULTS)[number];
  period: Period;
  id: string;
  chain: InProcessChain;
  port: ChainPort;
  crashed: boolean;
  forked: boolean;
}

const cells: Cell[] = [];
let temporal: w.Temporal;
let database: Awaited<ReturnType<typeof w.testDatabase>>;
let worker: Awaited<ReturnType<typeof w.startWorkers>>;

const cellOf = (id: string): Cell => cells.find((cell) => cell.id === id)!;

beforeAll(async () => {
  [temporal, database] = [await w.testTemporal(), await w.testDatabase()];
  const signer = await w.submitter();
  for (const crash of CRASHES)
    for (const fault of FAULTS) {
      const startMs = w.PERIOD.startMs + cells.length * w.INTERVAL_MS;
      const period = { startMs, endMs: startMs + w.INTERVAL_MS };
      const chain = await openDevChain({ slotMs: 50, finalAfterSlots: 30 });
      chain.ledger.airdrop(signer.address, 50_000_000_000n);
      if (fault === "lying ack") await chain.fault({ dropSend: 1 });
      if (fault === "timeout after accept") await chain.fault({ acceptThenTimeout: 1 });
      await w.seedPeriod(database.db, period, 5);
      cells.push({
        crash,
        fault,
        period,
        id: checkpointId(period.endMs),
        chain,
        port: await w.portOf(chain),
        crashed: false,
        forked: false,
      });
    }
  worker = await w.startWorkers({ ...temporal, db: database.db, chain: manyChains(), around: crashing });
});
afterAll(async () => {
  await worker.stop();
  for (const cell of cells) await cell.chain.close();
  await temporal.close();
  await database.close();
});

/** Each checkpoint has its own chain: found by the checkpoint's id, then by genesis, then by signature. */
function manyChains(): ChainPort {
  const byGenesis = new Map<string, Cell>();
  const byGenesisOf = (plan: FrozenPlan) =>
    byGenesis.get(plan.genesis) ?? cells.find((cell) => cell.chain.ledger.genesis === plan.genesis)!;
  const bySignature = async ({ id }: Attempt): Promise<Cell> => {
    const row = await database.db
      .selectFrom("submission_attempts")
      .select("checkpoint_id")
      .where("signature", "=", id)
      .executeTakeFirstOrThrow();
    return cellOf(row.checkpoint_id);
  };
  return {
    genesis: async () => "many",
    freeze: (plan) => cellOf(plan.checkpoint).port.freeze(plan),
    freezePayouts: (plan) => cellOf(plan.checkpoint).port.freezePayouts(plan),
    observe: (plan, last) => byGenesisOf(plan).port.observe(plan, last),
    sign: async (plan, n) => {
      const cell = byGenesisOf(plan);
      const attempt = await cell.port.sign(plan, n);
      if (crashesAt(cell, "signed, not stored")) throw new Error("crash after signing");
      return attempt;
    },
    broadcast: async (attempt) => {
      const cell = await bySignature(attempt);
      await cell.port.broadcast(attempt).finally(() => fork(cell, attempt));
    },
  };
}

/** A moment after it landed, the block with the transaction is gone. */
function fork(cell: Cell, attempt: Attempt): void {
  if (cell.fault !== "fork" || cell.forked) return;
  const record = cell.chain.ledger.record(attempt.id);
  if (!record) return;
  setTimeout(() => {
    if (cell.forked) return;
    cell.chain.ledger.rollback(record.slot - 1);
    cell.forked = true;
  }, 75);
}

function crashesAt(cell: Cell, point: Cell["crash"]): boolean {
  if (cell.crash !== point || cell.crashed) return false;
  cell.crashed = true;
  return true;
}

async function crashing(name: string, run: () => Promise<unknown>, input: Record<string, unknown>): Promise<unknown> {
  const cell = typeof input?.id === "string" ? cellOf(input.id) : undefined;
  if (!cell) return run();
  if (name === "prepareAttempt" && crashesAt(cell, "before sign")) throw new Error("crash before signing");
  if (name === "broadcast" && crashesAt(cell, "stored, not sent")) throw new Error("crash before sending");
  if (name === "broadcast" && crashesAt(cell, "sent, not acknowledged")) {
    const attempt = await attemptOf(database.db, cell.id, input.part as number, input.n as number);
    await cell.port.broadcast(attempt!).catch(() => undefined);
    fork(cell, attempt!);
    throw new Error("crash after sending");
  }
  const answer = await run();
  if (name === "recordTransition" && input.to === "FINAL" && crashesAt(cell, "final, not recorded"))
    throw new Error("crash after committing");
  return answer;
}

test(`${CRASHES.length * FAULTS.length} cells: each emission lands once, each recipient is paid exactly`, async () => {
  await w.runsOf(temporal, database.db, w.newCompetition(), cells.at(-1)!.period.endMs).ensureCheckpoints();
  const outcomes = await Promise.all(
    cells.map(async (cell) => {
      const row = await w.until(database.db, cell.period, (r) => r.phase === "PAID", 100_000);
      const plan = (await planOf(database.db, cell.id, 0))!;
      const markers = [plan.key.address, ...(await batchesOf(database.db, cell.id)).map((batch) => batch.marker)];
      const landed = markers.map((marker) => w.landedOn(cell.chain, marker));
      const wrong = w.expectedOf(row).filter(({ to, lamports }) => w.balanceOf(cell.chain, to) !== BigInt(lamports));
      return {
        cell: `${cell.crash} x ${cell.fault}`,
        landed,
        wrong,
        crashed: cell.crashed,
        forked: cell.forked,
        shown: cell.chain.ledger.record(row.tx_hash ?? "")?.err,
      };
    }),
  );
  expect(outcomes).toEqual(
    cells.map(({ crash, fault }) => ({
      ...{ cell: `${crash} x ${fault}`, landed: [1, 1], wrong: [], shown: null },
      ...{ crashed: crash !== "none", forked: fault === "fork" },
    })),
  );
});
