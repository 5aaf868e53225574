import { z } from "zod";
import { logEntryAt } from "../../db/checkpoint-log.ts";
import { type CycleRow, cycleById, lastPeerCycle, listCycles } from "../../db/cycles.ts";
import type { Database } from "../../db/database.ts";
import { peerRowsOf, snapshotById } from "../../db/snapshot-proofs.ts";
import { peerLeaves, peerPath, peerTree } from "../../domain/compat/merkle.ts";
import { cycleId } from "../../domain/ids.ts";
import { toIso } from "../contract/common.ts";
import { peerCycle, peerCyclesQuery, peerProof, peerProofQuery, recordId } from "../contract/proofs.ts";
import type { ApiDeps, App } from "../deps.ts";
import { notFound } from "../problem.ts";
import { sha256 } from "../proof-chain.ts";

const tags = ["proofs"];
const config = { tier: "public", errors: [404, 422] } as const;

/** The chain of cycles as the public node makes it, for tools that were made for that; what a checkpoint seals is under /v1. */
export function merkleRoutes(app: App, { db }: ApiDeps): void {
  app.get(
    "/reports/merkle/cycles",
    {
      config: { tier: "public", errors: [422] },
      schema: {
        operationId: "listMerkleCycles",
        tags,
        summary: "Newest first",
        querystring: peerCyclesQuery,
        response: { 200: z.array(peerCycle) },
      },
    },
    async ({ query }) => {
      const rows = await listCycles(db, query);
      const before = rows.length > 0 ? await lastPeerCycle(db, rows.at(-1)!.window_end) : undefined;
      return rows.map((row, i) => viewOf(row, rows[i + 1] ?? before));
    },
  );
  app.get(
    "/reports/merkle/cycles/:id",
    {
      config,
      schema: {
        operationId: "getMerkleCycle",
        tags,
        summary: "One cycle",
        params: recordId,
        response: { 200: peerCycle },
      },
    },
    async ({ params }) => {
      const { row, before } = await peerCycleOf(db, params.id);
      return viewOf(row, before);
    },
  );
  app.get(
    "/reports/merkle/proof",
    {
      config,
      schema: {
        operationId: "getMerkleProof",
        tags,
        summary: "From a snapshot to its cycle's chained root, by hashes of pairs of hex texts",
        querystring: peerProofQuery,
        response: { 200: peerProof },
      },
    },
    async ({ query }) => {
      const snapshot = await snapshotById(db, query.snapshot_id);
      if (!snapshot) throw notFound(`no snapshot ${query.snapshot_id}`);
      const { row, before } = await peerCycleOf(db, cycleId(snapshot.window_end.getTime()));
      const leaves = peerLeaves(sha256, await peerRowsOf(db, snapshot.window_end));
      const index = leaves.findIndex((leaf) => leaf.id === snapshot.id);
      const levels = peerTree(
        sha256,
        leaves.map((leaf) => leaf.hash),
      );
      const entry = await logEntryAt(db, snapshot.window_end);
      const toChain = before ? [{ hash: before.peer_chained_root!, position: "left" }] : [];
      return {
        snapshot_content_hash: leaves[index]!.hash,
        cycle_id: row.id,
        cycle_root: row.peer_chained_root!,
        checkpoint_id: entry?.checkpoint_id ?? null,
        merkle_root: entry ? String(entry.record_jsonb.root) : null,
        path: [...peerPath(levels, index), ...toChain],
      };
    },
  );
}

async function peerCycleOf(db: Database, id: string): Promise<{ row: CycleRow; before: CycleRow | undefined }> {
  const row = await cycleById(db, id);
  if (!row?.peer_chained_root) throw notFound(`no cycle ${id}`);
  return { row, before: await lastPeerCycle(db, row.window_end) };
}

const viewOf = (row: CycleRow, before: CycleRow | undefined): z.infer<typeof peerCycle> => ({
  id: row.id,
  previous_cycle_id: before?.id ?? null,
  previous_cycle_root: before?.peer_chained_root ?? null,
  snapshots_root: row.peer_snapshots_root!,
  chained_root: row.peer_chained_root!,
  snapshot_count: row.snapshot_count,
  created_at: toIso(row.created_at),
});
