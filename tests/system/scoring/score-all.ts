/** `node score-all.ts <database url>`: scores the story's rounds and builds its open windows; the tests kill it. */
import { contractScorer } from "../../../competitions/scorer.ts";
import { openDatabase } from "../../../db/database.ts";
import { openWindows } from "../../../db/windows.ts";
import { contract, windowsOf } from "./story.ts";
import { MINUTE_MS, scoringActivities } from "./world.ts";

const competition = contract();
const db = openDatabase({ url: process.argv[2]!, application: "score-all" });
const activities = scoringActivities(db, competition, contractScorer(competition.score, "scorer-1"));
const rounds = (await db.selectFrom("rounds").select("id").execute()).map((r) => r.id);
const open = new Set((await openWindows(db, 1_000)).map((w) => w.end_at.getTime()));
process.stdout.write("at work\n");
for (const { span, due } of windowsOf(rounds, MINUTE_MS)) {
  if (!open.has(span.endMs)) continue;
  await Promise.all(due.map((id) => activities.resolveTruth(id)));
  await Promise.all(due.map((id) => activities.scoreRound(id)));
  await activities.awaitRounds(span);
  await activities.buildWindow(span);
}
await db.destroy();
