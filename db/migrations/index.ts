import type { Migration } from "kysely/migration";
import * as feeds from "./001-feeds.ts";
import * as rounds from "./002-rounds.ts";
import * as windows from "./003-windows.ts";
import * as checkpoints from "./004-checkpoints.ts";
import * as operations from "./005-operations.ts";
import * as feedQuality from "./006-feed-quality.ts";
import * as scoring from "./007-scoring.ts";
import * as deadLetters from "./009-dead-letters.ts";
import * as predictSide from "./010-predict-side.ts";
import * as backfill from "./011-backfill.ts";
import * as rescore from "./012-rescore.ts";
import * as proofs from "./013-proofs.ts";
import * as contextSlot from "./015-context-slot.ts";
import * as payouts from "./016-payouts.ts";
import * as decisions from "./017-decisions.ts";

/** In order; a migration that has been released is never edited again. */
export const MIGRATIONS: Record<string, Migration> = {
  "001-feeds": feeds,
  "002-rounds": rounds,
  "003-windows": windows,
  "004-checkpoints": checkpoints,
  "005-operations": operations,
  "006-feed-quality": feedQuality,
  "007-scoring": scoring,
  "009-dead-letters": deadLetters,
  "010-predict-side": predictSide,
  "011-backfill": backfill,
  "012-rescore": rescore,
  "013-proofs": proofs,
  "015-context-slot": contextSlot,
  "016-payouts": payouts,
  "017-decisions": decisions,
};
