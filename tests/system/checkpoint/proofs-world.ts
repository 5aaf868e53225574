import { createPublicKey, verify as ed25519 } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll } from "vitest";
import { logCheckpoint } from "../../../activities/checkpoint-log.ts";
import { createNoteActivities } from "../../../activities/note.ts";
import { sealOf } from "../../../activities/seal.ts";
import { sha256 } from "../../../activities/sha256.ts";
import type { App } from "../../../api/deps.ts";
import { localRegistry } from "../../../chain/recipients.ts";
import { insertSealed } from "../../../db/checkpoints.ts";
import type { Database } from "../../../db/database.ts";
import { voidRounds } from "../../../db/voids.ts";
import { checkpointId, predictionId, roundId, snapshotId } from "../../../domain/ids.ts";
import type { InclusionChain } from "../../../proofs/inclusion-chain.ts";
import type { SignatureCheck } from "../../../proofs/note.ts";
import { noteSigner } from "../../../workers/note-signer.ts";
import { serverOn } from "../api/world.ts";
import { MINUTE_MS, type ScoringWorld, scoringWorld, T0, testCompetition } from "../scoring/world.ts";
import { quiet, submitter } from "./workers.ts";

export const MODELS = ["a", "b", "c"];
export const CRUNCH = "crunch";
/** Two periods of two windows; what happened in the first one is proved. */
export const PERIOD_MS = 2 * MINUTE_MS;
export const LAST = T0 + 2 * PERIOD_MS;
/** Due time of a round that is voided after its window counted it. */
export const VOIDED_MS = T0 + PERIOD_MS + 10_000;
export const PREDICTION = predictionId(roundId({ competition: "scoring", scopeKey: "X-20", dueMs: T0 }), "a");
export const SNAPSHOT = snapshotId("a", T0 + MINUTE_MS, 0);
export const CHECKPOINT = checkpointId(T0 + PERIOD_MS);

const SPKI = Buffer.from("302a300506032b6570032100", "hex");
const verify: SignatureCheck = (key, message, signature) =>
  ed25519(null, message, createPublicKey({ key: Buffer.concat([SPKI, key]), format: "der", type: "spki" }), signature);

export interface Trusted {
  hash: typeof sha256;
  verify: SignatureCheck;
  publicKey: Uint8Array;
}

/** Everybody answers but c, who fails with words that are its own, and b, who is absent at times. */
export const answers = (model: string, i: number) => {
  if (model === "c" && i % 3 === 0) return "FAILED" as const;
  if (model === "b" && i % 4 === 1) return "ABSENT" as const;
  return { value: Math.sin(i + model.charCodeAt(0)) / 7 };
};

export async function seal(db: Database, endMs: number, signer: ReturnType<typeof noteSigner>): Promise<void> {
  const contract = testCompetition();
  const settings = { crunch: CRUNCH, contract, computeProvider: "", dataProvider: "" };
  const sealed = await sealOf(db, localRegistry, settings, { startMs: endMs - PERIOD_MS, endMs });
  await db.transaction().execute(async (tx) => {
    await insertSealed(tx, sealed, { actor: "node", cause: "test" });
    await logCheckpoint(tx, sealed.record!);
  });
  await createNoteActivities({ db, signer, log: quiet }).signNote({ id: sealed.id });
}

/** A node with two sealed periods, for all tests of a file. */
export function provenNode() {
  let world: ScoringWorld;
  let app: App;
  let trusted: Trusted;
  beforeAll(async () => {
    const ensembles = [{ name: "mean", strategy: "equal_weight" as const }];
    world = await scoringWorld(testCompetition({ ensembles }));
    const { db } = world;
    const plan = { models: MODELS, from: 0, count: 24, everyMs: 10_000, answers };
    const rounds = await world.collect(plan);
    await sql`update predictions set reason = 'MODEL_FAILED: The model raised an exception: my secret alpha' where status = 'FAILED'`.execute(
      db,
    );
    for (const id of rounds) {
      await world.resolveTruth(id);
      await world.scoreRound(id);
    }
    const build = (i: number) => world.build(T0 + i * MINUTE_MS, T0 + (i + 1) * MINUTE_MS);
    await build(0);
    await sql`update scores set leaf_hash = null where window_end is null`.execute(db); // as an older version left them
    await build(1);
    await build(2);
    const voided = { fromMs: VOIDED_MS, toMs: VOIDED_MS + 1, scopeKey: null, actor: "operator", reason: "a test" };
    await voidRounds(db, voided);
    await build(3);
    const signer = noteSigner(await submitter());
    for (const endMs of [T0 + PERIOD_MS, LAST]) await seal(db, endMs, signer);
    app = await serverOn(db, LAST + MINUTE_MS, { apiKey: "a-key-of-the-operator" });
    trusted = { hash: sha256, verify, publicKey: signer.publicKey };
  }, 120_000);
  afterAll(async () => {
    await app?.close();
    await world?.[Symbol.asyncDispose]();
  });

  const get = async (url: string, headers: Record<string, string> = {}) => {
    const answer = await app.inject({ url, headers });
    return { status: answer.statusCode, headers: answer.headers, text: answer.body, body: parsed(answer.body) };
  };
  const parsed = (text: string) => {
    try {
      return JSON.parse(text);
    } catch {
      return null;
    }
  };
  const proofOf = async (prediction: string): Promise<InclusionChain> =>
    (await get(`/v1/predictions/${encodeURIComponent(prediction)}/proof`)).body;

  /** As the owner of the database: triggers do not hold him. */
  const owning = async <T>(act: () => Promise<T>): Promise<T> => {
    await sql`alter table checkpoint_log disable trigger all`.execute(world.db);
    try {
      return await act();
    } finally {
      await sql`alter table checkpoint_log enable trigger all`.execute(world.db);
    }
  };
  return {
    ...{ get, proofOf, owning },
    get world(): ScoringWorld {
      return world;
    },
    get app(): App {
      return app;
    },
    get trusted(): Trusted {
      return trusted;
    },
  };
}
