import { workflowInfo } from "@temporalio/workflow";
import type { BundleActivities } from "../activities/bundle.ts";
import type { NoteActivities } from "../activities/note.ts";
import { siblingQueue } from "../domain/ids.ts";
import { BUNDLE_WORDS, EVIDENCE_WORDS } from "./checkpoint-words.ts";
import { described } from "./described.ts";

const ASKED_AGAIN = {
  heartbeatTimeout: "30s",
  retry: { initialInterval: "2s", backoffCoefficient: 2, maximumInterval: "2m" },
} as const;

/** A sealed checkpoint's evidence is there before anybody is asked to approve it. Run again, each step finds itself done. */
export async function evidence(id: string): Promise<void> {
  await signing().signNote({ id });
  await bundling.writeBundle({ id });
}

/** Who signs may be a person with a device. */
const signing = () =>
  described<NoteActivities>(
    { taskQueue: siblingQueue(workflowInfo().taskQueue, "signing"), startToCloseTimeout: "15m", ...ASKED_AGAIN },
    EVIDENCE_WORDS,
  );

/** A week of a million predictions takes half a minute. */
const bundling = described<BundleActivities>({ startToCloseTimeout: "30m", ...ASKED_AGAIN }, BUNDLE_WORDS);
