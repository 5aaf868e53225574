import type { Migration } from "kysely/migration";
import * as feeds from "./001-feeds.ts";
import * as rounds from "./002-rounds.ts";
import * as windows from "./003-windows.ts";
import * as checkpoints from "./004-checkpoints.ts";
import * as operations from "./005-operations.ts";

/** In order; a migration that has been released is never edited again. */
export const MIGRATIONS: Record<string, Migration> = {
  "001-feeds": feeds,
  "002-rounds": rounds,
  "003-windows": windows,
  "004-checkpoints": checkpoints,
  "005-operations": operations,
};
