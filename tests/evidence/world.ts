import { MockActivityEnvironment } from "@temporalio/testing";
import { sql } from "kysely";
import { pino } from "pino";
import { type BundleActivities, createBundleActivities } from "../../activities/bundle.ts";
import { createCheckpointActivities } from "../../activities/checkpoint.ts";
import { createNoteActivities } from "../../activities/note.ts";
import { createScoreActivities } from "../../activities/round.ts";
import { createWindowActivities } from "../../activities/window.ts";
import { localRegistry } from "../../chain/recipients.ts";
import type { LoadedCompetition } from "../../competitions/load.ts";
import type { Database } from "../../db/database.ts";
import { ensurePartitions } from "../../db/partitions.ts";
import { openWindow } from "../../db/windows.ts";
import type { Period } from "../../domain/period.ts";
import { fromHex } from "../../proofs/hash.ts";
import { signer, signWithKey } from "./keys.ts";

const CRUNCH = "starter-challenge";
const HORIZON_MS = 20_000;
/** Every k-th answer of the last model is missing. */
const MISSING_EACH = 7;
const log = pino({ level: "silent" });

export interface Rounds {
  models: number;
  count: number;
  /** first due time */
  fromMs: number;
  everyMs: number;
}

/** What collecting and settling would have left: answers of all models (one of them often times out), and truths; every round is RESOLVED. */
export async function seedRounds(db: Database, loaded: LoadedCompetition, of: Rounds): Promise<string[]> {
  const lastMs = of.fromMs + of.count * of.everyMs;
  for (const name of ["predictions", "scores"] as const) await ensurePartitions(db, name, of.fromMs, lastMs);
  const { scopeKey, scope } = loaded.scopes[0]!;
  const body = JSON.stringify(loaded.contractBody);
  await sql`insert into contracts (hash, body_jsonb) values (${loaded.contractHash}, ${body}) on conflict do nothing`.execute(
    db,
  );
  await sql`insert into models (id, name, deployment_identifier, player_id, player_name)
    select 'model-' || m, 'model ' || m, 'dep-' || m, 'p' || m, 'player ' || m from generate_series(1, ${of.models}::int) m
    on conflict do nothing`.execute(db);
  await sql`insert into rounds (id, scope_key, scope_jsonb, due_at, deadline_at, resolve_at, give_up_at, status, contract_hash)
    select 'round/' || ${CRUNCH}::text || '/' || ${scopeKey}::text || '/' || ms, ${scopeKey}, ${JSON.stringify(scope)}::jsonb, due, due + interval '2 s',
      due + ${HORIZON_MS}::int * interval '1 ms', due + interval '1 day', 'RESOLVED', ${loaded.contractHash}
    from generate_series(${of.fromMs}::bigint, ${lastMs - of.everyMs}::bigint, ${of.everyMs}::bigint) ms,
      lateral (select to_timestamp(ms / 1000.0) as due) d`.execute(db);
  const range = sql`r.due_at >= ${new Date(of.fromMs)} and r.due_at < ${new Date(lastMs)}`;
  await sql`insert into truths (round_id, result_jsonb, evidence_jsonb)
    select r.id, jsonb_build_object('profit', sin(extract(epoch from r.due_at)) / 1000, 'entry_price', 100.25, 'resolved_price', 100.5),
      jsonb_build_object('source', 'replay', 'at', extract(epoch from r.due_at))
    from rounds r where ${range}`.execute(db);
  await sql`insert into predictions (id, round_id, model_id, deployment_id, prediction_config_id, scope_key, scope_jsonb, status, reason,
      inference_output_jsonb, performed_at, resolvable_at, due_at)
    select 'PRE_' || substr(r.id, 7) || '/model-' || m, r.id, 'model-' || m, 'dep-' || m, 'CFG', r.scope_key, r.scope_jsonb,
      case when missing then 'TIMEOUT' else 'PENDING' end, case when missing then 'no answer before the deadline' end,
      case when not missing then jsonb_build_object('value', cos(m * extract(epoch from r.due_at)) / 100) end, r.due_at, r.resolve_at, r.due_at
    from rounds r, generate_series(1, ${of.models}::int) m,
      lateral (select m = ${of.models} and (extract(epoch from r.due_at)::bigint / ${of.everyMs / 1_000}::int) % ${MISSING_EACH} = 0 as missing) x
    where ${range}`.execute(db);
  return (await sql<{ id: string }>`select id from rounds r where ${range} order by due_at`.execute(db)).rows.map(
    (r) => r.id,
  );
}

/** The real activities around one database: score, window, seal, sign, bundle. */
export function evidenceWorld(db: Database, loaded: LoadedCompetition, folder: string) {
  const { competition, scopes } = loaded;
  const score = createScoreActivities({ db, market: null as never, competition: loaded, scorer: loaded.scorer });
  const window = createWindowActivities({ db, competition, scopes, scorer: loaded.scorer, log });
  const seal = { crunch: CRUNCH, contract: competition, computeProvider: "", dataProvider: "" };
  const checkpoints = createCheckpointActivities({
    db,
    log,
    recipients: localRegistry,
    publicUrl: "http://node.test",
    seal,
  });
  const notes = createNoteActivities({
    db,
    log,
    signer: { publicKey: fromHex(signer), sign: async (b) => signWithKey(b) },
  });
  const bundles: BundleActivities = createBundleActivities({ db, log, folder, signer, versions: { almanac: "0.1.0" } });
  const inActivity = <T>(act: () => Promise<T>): Promise<T> => new MockActivityEnvironment().run(act);
  return {
    score: (roundId: string) => score.scoreRound(roundId),
    async window(span: Period): Promise<void> {
      await openWindow(db, span.startMs, span.endMs);
      await window.buildWindow(span);
    },
    seal: (period: Period) => inActivity(() => checkpoints.sealPeriod(period)),
    sign: (id: string) => inActivity(() => notes.signNote({ id })),
    bundle: (id: string) => inActivity(() => bundles.writeBundle({ id })),
    /** returns the checkpoint's id */
    async evidence(period: Period): Promise<string> {
      const { id } = await this.seal(period);
      await this.sign(id);
      await this.bundle(id);
      return id;
    },
  };
}
