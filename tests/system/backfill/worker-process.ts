// A backfill worker as a process of its own, to be killed: node worker-process.ts '{"url","address","codePath",…}'.
import { NativeConnection } from "@temporalio/worker";
import { z } from "zod";
import { openDatabase } from "../../../db/database.ts";
import { startBackfillWorkers } from "./worker.ts";
import { paperFeed } from "./world.ts";

const settings = z.object({
  ...{ url: z.string(), address: z.string(), codePath: z.string(), competition: z.string(), root: z.string() },
  pauseMs: z.number(),
});
const { url, address, ...rest } = settings.parse(JSON.parse(process.argv[2]!));
const db = openDatabase({ url, application: "backfill worker", onError: () => undefined });
const connection = await NativeConnection.connect({ address });
await startBackfillWorkers({ ...rest, connection, db, openFeed: async () => paperFeed(), pageSize: 60 });
process.stdout.write("ready\n");
