import type { z } from "zod";
import { checkpointById, type ListedCheckpoint } from "../../db/checkpoints.ts";
import { decisionByKey } from "../../db/decisions.ts";
import { peerConfirm, peerStatusChange } from "../../domain/compat/checkpoint-status.ts";
import { PeerHttpError } from "../../domain/compat/checkpoints.ts";
import { type ConfirmInput, decisionInput } from "../../domain/decision.ts";
import { decideOn, legacyKeyOf } from "../checkpoint-decide.ts";
import { confirmBody, statusBody } from "../contract/checkpoint-actions.ts";
import { checkpointId, checkpointRow, type LegacyStatus } from "../contract/checkpoints.ts";
import type { ApiDeps, App } from "../deps.ts";
import { ApiError, notFound } from "../problem.ts";
import { checkpointRowOf } from "./checkpoints.ts";

const tags = ["checkpoints"];
const config = { tier: "write", errors: [404, 409, 422] } as const;
const BODY_LIMIT_BYTES = 16_384;

/** The public node's two writes. They move nothing by themselves: the checkpoint's workflow looks at the chain, and believes only that. */
export function checkpointStatusRoutes(app: App, deps: ApiDeps): void {
  const { db } = deps;
  const found = async (id: string): Promise<ListedCheckpoint & { status: LegacyStatus }> => {
    const row = await checkpointById(db, id);
    if (!row || row.status === "VOID") throw notFound(`no checkpoint ${id}`);
    return { ...row, status: row.status };
  };
  const confirmed = async (
    row: ListedCheckpoint,
    to: LegacyStatus,
    txHash: string | undefined,
    { key, actor }: { key: string; actor: string | undefined },
  ): Promise<z.infer<typeof checkpointRow>> => {
    const named = inPeersWords(() => decisionInput({ tx_hash: txHash, actor }));
    const input: ConfirmInput = { ...named, to };
    const { status } = await decideOn(deps, row, "confirm", input, { key, ifMatch: null });
    return { ...checkpointRowOf(await found(row.id)), status: status as LegacyStatus };
  };
  /** A key that was used is answered as it was then, whatever the status is by now. */
  const isKnown = async (key: string): Promise<boolean> => (await decisionByKey(db, key)) !== undefined;

  app.patch(
    "/reports/checkpoints/:id/status",
    {
      config,
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        operationId: "patchCheckpointStatus",
        tags,
        summary: "The next status, where the chain shows it; SUBMITTED names its transaction as tx_hash",
        params: checkpointId,
        body: statusBody,
        response: { 200: checkpointRow },
      },
    },
    async (request) => {
      const row = await found(request.params.id);
      const { status, tx_hash, actor } = request.body;
      const key = legacyKeyOf(request);
      const to = (await isKnown(key))
        ? (status as LegacyStatus)
        : inPeersWords(() => peerStatusChange(row.status, status));
      if (to === "SUBMITTED" && tx_hash === undefined)
        throw new ApiError(422, "invalid", "tx_hash required: SUBMITTED needs the transaction that shows it");
      return confirmed(row, to, tx_hash, { key, actor });
    },
  );
  app.post(
    "/reports/checkpoints/:id/confirm",
    {
      config,
      bodyLimit: BODY_LIMIT_BYTES,
      schema: {
        operationId: "confirmCheckpoint",
        tags,
        summary: "SUBMITTED, by a transaction that is finalized and carries this checkpoint's markers",
        params: checkpointId,
        body: confirmBody,
        response: { 200: checkpointRow },
      },
    },
    async (request) => {
      const row = await found(request.params.id);
      const { actor, tx_hash } = request.body;
      const key = legacyKeyOf(request);
      const from = (await isKnown(key)) ? "PENDING" : row.status;
      const { tx_hash: txHash } = inPeersWords(() => peerConfirm(from, { tx_hash }));
      return confirmed(row, "SUBMITTED", txHash, { key, actor });
    },
  );
}

/** A refusal as the public node words it. */
function inPeersWords<T>(ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    if (error instanceof PeerHttpError) throw new ApiError(error.status, codeOf(error.status), error.message);
    if (error instanceof Error && error.name === "DecisionError") throw new ApiError(422, "invalid", error.message);
    throw error;
  }
}
const codeOf = (status: number): string => (status === 409 ? "conflict" : "invalid");
