import type { FastifyReply } from "fastify";
import { latestNoted, leafHashesOfLog, logEntryOf } from "../../db/checkpoint-log.ts";
import { scoreFactsOfPrediction } from "../../db/score-facts.ts";
import { revisionsOf, snapshotById } from "../../db/snapshot-proofs.ts";
import { parsePredictionId } from "../../domain/ids.ts";
import { roundRecord, scoreRecord } from "../../proofs/from-rows.ts";
import { fromHex, toHex } from "../../proofs/hash.ts";
import { consistencyPath, merkleRoot } from "../../proofs/merkle.ts";
import { recordHex, splitHashes } from "../../proofs/records.ts";
import { checkpointId } from "../contract/checkpoints.ts";
import { strictQuery, toIso } from "../contract/common.ts";
import {
  checkpointProofs,
  checkpointProofsQuery,
  consistency,
  consistencyQuery,
  logHead,
  recordId,
  scoreProof,
  snapshotProof,
} from "../contract/proofs.ts";
import type { ApiDeps, App } from "../deps.ts";
import { conflict, notFound } from "../problem.ts";
import { chainOf, cyclesOf, logStep, placeOf, plain, sha256, stepOf } from "../proof-chain.ts";

const tags = ["proofs"];
const NO_LOG = "the log is empty: the first checkpoint is appended when its period has ended";

/** From a score to the signed head of the log of checkpoints. Ids of predictions hold slashes: percent-encode them. */
export function proofRoutes(app: App, { db }: ApiDeps): void {
  app.get(
    "/v1/checkpoints/:id/proofs",
    {
      config: { tier: "public", errors: [400, 404] },
      schema: {
        operationId: "getCheckpointProofs",
        tags,
        summary: "Its record, its place in the log, the signed note, its cycles; and the way to it from a snapshot",
        params: checkpointId,
        querystring: checkpointProofsQuery,
        response: { 200: checkpointProofs },
      },
    },
    async ({ params, query }, reply) => {
      const entry = params.id === "latest" ? await latestNoted(db) : await logEntryOf(db, params.id);
      if (!entry) throw notFound(params.id === "latest" ? NO_LOG : `${params.id} is not in the log of checkpoints`);
      const snapshot = query.snapshot_id === undefined ? undefined : await snapshotById(db, query.snapshot_id);
      if (query.snapshot_id !== undefined && !snapshot) throw notFound(`no snapshot ${query.snapshot_id}`);
      const proof = snapshot && (await chainOf(db, snapshot));
      if (proof && proof.checkpoint?.hash !== entry.leaf_hash)
        throw notFound(`${snapshot.id} is not in ${entry.checkpoint_id}`);
      if (params.id !== "latest" && entry.note !== null) neverChanges(reply);
      return {
        ...{ record: entry.record_jsonb, hash: entry.leaf_hash, log: placeOf(entry), step: await logStep(db, entry) },
        cycles: (await cyclesOf(db, entry)).map((c) => ({
          ...{ id: c.id, window_start: toIso(c.window_start), window_end: toIso(c.window_end) },
          ...{ snapshots: c.snapshot_count, hash: c.chained_root },
        })),
        ...(proof ? { proof } : {}),
      };
    },
  );
  app.get(
    "/v1/snapshots/:id/proof",
    {
      config: { tier: "public", errors: [400, 404, 409] },
      schema: {
        operationId: "getSnapshotProof",
        tags,
        summary: "From a snapshot up to the log, as far as its period is sealed",
        params: recordId,
        querystring: strictQuery({}),
        response: { 200: snapshotProof },
      },
    },
    async ({ params }, reply) => {
      const snapshot = await snapshotById(db, params.id);
      if (!snapshot) throw notFound(`no snapshot ${params.id}`);
      const chain = await chainOf(db, snapshot);
      if (chain.log?.note) neverChanges(reply);
      return chain;
    },
  );
  app.get(
    "/v1/predictions/:id/proof",
    {
      config: { tier: "public", errors: [400, 404, 409] },
      schema: {
        operationId: "getPredictionProof",
        tags,
        summary: "A scored prediction's records, and the way from them up to the log",
        params: recordId,
        querystring: strictQuery({}),
        response: { 200: scoreProof },
      },
    },
    async ({ params }) => {
      const key = parsePredictionId(params.id);
      const [score] = key ? await scoreFactsOfPrediction(db, key) : [];
      if (!score) throw notFound(`${params.id} is not scored: there is nothing to prove yet, or no such prediction`);
      if (score.window_end === null || score.leaf_hash === null)
        throw conflict(`no scoring window has counted ${params.id} yet: try again in a few minutes`);
      const leaf = toHex(score.leaf_hash);
      const held = (await revisionsOf(db, score.model_id, score.window_end)).flatMap((snapshot) => {
        const leaves = splitHashes(snapshot.leaf_hashes ?? new Uint8Array()).map(toHex);
        return leaves.includes(leaf) ? [{ snapshot, leaves }] : [];
      })[0];
      if (!held) throw conflict(`no snapshot holds the score of ${params.id} as it is stored`);
      const round = roundRecord(score.round);
      const roundHash = recordHex(sha256, round);
      const { steps, ...chain } = await chainOf(db, held.snapshot);
      const place = { leaf: "score", tree: "snapshot", root: held.snapshot.scores_root! } as const;
      return {
        round: { record: plain(round), hash: roundHash },
        score: { record: plain(scoreRecord(roundHash, score, score)), hash: leaf },
        ...chain,
        steps: [stepOf(place, held.leaves, held.leaves.indexOf(leaf)), ...steps],
      };
    },
  );
  app.get(
    "/v1/log",
    {
      config: { tier: "public", errors: [400, 404] },
      schema: {
        operationId: "getLog",
        tags,
        summary: "The newest signed head of the log of checkpoints; with Accept: text/plain the note alone",
        querystring: strictQuery({}),
        response: { 200: logHead },
      },
    },
    async ({ headers }, reply) => {
      const entry = await latestNoted(db);
      if (!entry) throw notFound(NO_LOG);
      const note = entry.note!;
      reply.header("vary", "accept");
      if (headers.accept?.startsWith("text/plain"))
        return reply
          .type("text/plain; charset=utf-8")
          .serializer(String)
          .send(note as never);
      return { size: entry.idx + 1, root: entry.tree_root, checkpoint_id: entry.checkpoint_id, note };
    },
  );
  app.get(
    "/v1/log/consistency",
    {
      config: { tier: "public", errors: [400, 404] },
      schema: {
        operationId: "getLogConsistency",
        tags,
        summary:
          "That the log of `to` checkpoints begins with the one of `from` (RFC 9162); `to`: by default all that are signed",
        querystring: consistencyQuery,
        response: { 200: consistency },
      },
    },
    async ({ query }, reply) => {
      const latest = await latestNoted(db);
      const { from, to = latest ? latest.idx + 1 : 0 } = query;
      if (!latest || to > latest.idx + 1 || from > to)
        throw notFound(`the signed log has ${latest ? latest.idx + 1 : 0} checkpoints: no way from ${from} to ${to}`);
      const leaves = (await leafHashesOfLog(db, to)).map(fromHex);
      if (query.to !== undefined) neverChanges(reply);
      const root = (size: number): string => toHex(merkleRoot(sha256, leaves.slice(0, size)));
      const path = consistencyPath(sha256, leaves, from).map(toHex);
      return { from, to, from_root: root(from), to_root: root(to), path };
    },
  );
}

/** Of what a signed note covers. */
const neverChanges = (reply: FastifyReply): void =>
  void reply.header("cache-control", "public, max-age=31536000, immutable");
