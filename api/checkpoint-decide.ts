import { createHash, randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { FastifyRequest } from "fastify";
import { checkpointById, type ListedCheckpoint } from "../db/checkpoints.ts";
import type { Database } from "../db/database.ts";
import { decisionByKey } from "../db/decisions.ts";
import {
  type Action,
  actionRefusal,
  actorOf,
  bodyOf,
  type ConfirmInput,
  type DecisionInput,
  type DecisionResult,
} from "../domain/decision.ts";
import type { ApiDeps } from "./deps.ts";
import { ApiError, conflict, KEY_REUSED, NOT_OPEN } from "./problem.ts";

const KEY = /^[\x21-\x7e]{1,200}$/;

/** Names the version that somebody looked at. */
export const etagOf = ({ id, version }: Pick<ListedCheckpoint, "id" | "version">): string => `"${id}-${version}"`;

/**
 * One decision about a checkpoint: the stored first answer where its key was used, else an update of the workflow. Throws ApiError: 403 not
 * signed as it must be, 409 not open now, 412 and 428 by If-Match (where `ifMatch` is asked for), 422 a key with another body, 503 nobody answers.
 */
export async function decideOn(
  { db, settings, checkpoints }: ApiDeps,
  row: ListedCheckpoint,
  action: Action,
  given: (DecisionInput | ConfirmInput) & { to?: ConfirmInput["to"] },
  { key, ifMatch }: { key: string; ifMatch?: string | undefined | null },
): Promise<DecisionResult> {
  const signed = settings.network !== "LOCAL";
  const input = { ...given, ...(signed ? {} : { actor: given.actor ?? "api" }), key };
  const body = bodyOf(row.id, action, actorOf(signed, action, input), input);
  const known = await decisionByKey(db, key);
  if (known?.body === body) return known.result_jsonb;
  if (known)
    throw new ApiError(422, KEY_REUSED, `the Idempotency-Key ${key} was used for another decision: take a new one`);
  if (ifMatch !== null) requireMatch(row, ifMatch);
  const refused = actionRefusal(action, row, input.to);
  if (refused !== null) throw conflict(refused);
  if (!checkpoints)
    throw new ApiError(503, "workflows-away", "this server reaches no workflows: ask the node's own API");
  const updateId = `${action}-${createHash("sha256").update(`${key}\n${body}`).digest("hex").slice(0, 32)}`;
  const checkpoint = { id: row.id, endMs: row.period_end.getTime() };
  for (let left = CATCH_UP_TRIES; ; left--)
    try {
      return await checkpoints.decide(checkpoint, action, input, updateId);
    } catch (error) {
      const answer = await answerNow(db, error, row.id, action, input);
      if (answer !== "behind") return answer;
      if (left === 0) throw error;
      await delay(CATCH_UP_MS);
    }
}

/** A workflow hears of its own step some time after the row has it. */
const CATCH_UP_TRIES = 20;
const CATCH_UP_MS = 250;

/** Nobody answered, or a workflow that is behind its row did: what the row knows of it by now. Throws what stands. */
async function answerNow(
  db: Database,
  error: unknown,
  id: string,
  action: Action,
  { key, to }: { key: string; to?: ConfirmInput["to"] },
): Promise<DecisionResult | "behind"> {
  const behind = error instanceof ApiError && error.code === NOT_OPEN;
  if (!behind && !(error instanceof ApiError && error.status === 503)) throw error;
  const [known, row] = [await decisionByKey(db, key), await checkpointById(db, id)];
  if (known) return known.result_jsonb;
  const refused = row ? actionRefusal(action, row, to) : null;
  if (refused !== null) throw conflict(refused);
  if (behind) return "behind";
  throw error;
}

function requireMatch(row: ListedCheckpoint, ifMatch: string | undefined): void {
  if (ifMatch === undefined)
    throw new ApiError(428, "if-match-wanted", `send If-Match with the ETag of GET /v1/checkpoints/${row.id}`);
  if (ifMatch !== etagOf(row))
    throw new ApiError(412, "version-changed", `${row.id} is ${row.phase} and ${etagOf(row)} by now: look at it again`);
}

/** The Idempotency-Key of a /v1 write; a signed decision's own key is the same one. */
export function keyOf({ headers }: FastifyRequest, signedKey: string | undefined): string {
  const key = headers["idempotency-key"] ?? signedKey;
  if (typeof key !== "string" || !KEY.test(key))
    throw new ApiError(
      422,
      "idempotency-key-wanted",
      "send an Idempotency-Key of 1 to 200 visible characters: the same key again gets the same answer",
    );
  if (signedKey !== undefined && signedKey !== key)
    throw new ApiError(422, "idempotency-key-wanted", "the Idempotency-Key is not the key that was signed");
  return key;
}

/** Of a legacy write: its header, where there is one. */
export const legacyKeyOf = ({ headers }: FastifyRequest): string => {
  const key = headers["idempotency-key"];
  return typeof key === "string" && KEY.test(key) ? key : randomUUID();
};
