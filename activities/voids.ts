import type { Logger } from "pino";
import type { Competition } from "../competitions/competition.ts";
import type { Database } from "../db/database.ts";
import { type QualityIncident, qualityIncidents } from "../db/feed-quality.ts";
import type { RoundRow } from "../db/rounds.ts";
import { voidRounds } from "../db/voids.ts";
import type { Market } from "./market.ts";

export interface GapVoidDeps {
  db: Database;
  market: Pick<Market, "dimension" | "granularityMs">;
  competition: Competition;
  log: Logger;
}

/** Voids a round whose due time lay in a hole of the feed, where the contract asks for it; true: the round is void. */
export type GapVoid = (round: RoundRow) => Promise<boolean>;

export function createGapVoid({ db, market, competition, log }: GapVoidDeps): GapVoid {
  if (!competition.voidOnGap) return async () => false;
  return async (round) => {
    const subject = String(round.scope_jsonb.subject);
    const dueMs = round.due_at.getTime();
    const lastMs = dueMs - market.granularityMs; // the record that is final at the due time begins there
    const incidents = await qualityIncidents(db, market.dimension(subject), lastMs, dueMs);
    const gap = incidents.find((incident) => hid(incident, lastMs, dueMs));
    if (!gap) return false;
    const reason = `the feed of ${subject} had a gap at the due time, from ${iso(gap.fromMs)} to ${iso(gap.untilMs)} (${gap.detail})`;
    const voided = await voidRounds(db, {
      ...{ fromMs: dueMs, toMs: dueMs + 1, scopeKey: round.scope_key },
      ...{ actor: "node: voidOnGap", reason },
    });
    log.warn({ round_id: round.id, void: voided.id, reason }, "round voided");
    return true;
  };
}

/** The record that models should have seen was missing when they were asked. One that was filled in before then hurt nobody. */
const hid = (incident: QualityIncident, lastMs: number, dueMs: number): boolean =>
  incident.what === "gap" &&
  incident.fromMs <= lastMs &&
  lastMs < incident.untilMs &&
  (incident.closedMs === null || incident.closedMs > dueMs);

const iso = (ms: number): string => new Date(ms).toISOString();
