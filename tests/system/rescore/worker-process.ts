// A rescore worker as a process of its own, to be killed: node worker-process.ts '{"url","address","codePath",…}'.
import { NativeConnection } from "@temporalio/worker";
import { z } from "zod";
import { openDatabase } from "../../../db/database.ts";
import { nextScorer, startRescoreWorker } from "./worker.ts";

const settings = z.object({
  ...{ url: z.string(), address: z.string(), codePath: z.string(), competition: z.string() },
  ...{ pauseMs: z.number(), pageRounds: z.number() },
});
const { url, address, pauseMs, ...rest } = settings.parse(JSON.parse(process.argv[2]!));
const db = openDatabase({ url, application: "rescore worker", onError: () => undefined });
const connection = await NativeConnection.connect({ address });
await startRescoreWorker({ ...rest, connection, db, scorer: nextScorer(pauseMs) });
process.stdout.write("ready\n");
