import { userInfo } from "node:os";
import type { z } from "zod";
import { deadLetter, deadLetterList } from "../api/contract/dead-letters.ts";
import type { DeadLetterFlags } from "./dead-letter-flags.ts";
import { askNode } from "./report-api.ts";

type Letter = z.infer<typeof deadLetter>;
const PAGE = "1000";
const USAGE = 2;

export async function listLettersCommand(flags: DeadLetterFlags): Promise<void> {
  print(await lettersOf(flags), flags);
}

export async function retryLettersCommand(ids: readonly string[], flags: DeadLetterFlags): Promise<void> {
  if (ids.length === 0 && !flags.all) {
    console.error("Name dead letters by their numbers (almanac dead-letter list shows them), or give --all.");
    process.exitCode = USAGE;
    return;
  }
  const chosen = flags.all ? (await lettersOf({ ...flags, status: "OPEN" })).map(({ id }) => id) : ids;
  await change(chosen, "retry", flags);
}

export const excuseLettersCommand = (ids: readonly string[], flags: DeadLetterFlags): Promise<void> =>
  change(ids, "excuse", flags);

async function lettersOf({ status, model, node }: DeadLetterFlags): Promise<Letter[]> {
  const letters: Letter[] = [];
  let cursor: string | null = null;
  do {
    const query = new URLSearchParams({
      limit: PAGE,
      ...(status ? { status: status.toUpperCase() } : {}),
      ...(model ? { model_id: model } : {}),
      ...(cursor ? { cursor } : {}),
    });
    const page: z.infer<typeof deadLetterList> = await askNode(
      { to: node, path: `/v1/dead-letters?${query}` },
      deadLetterList,
    );
    letters.push(...page.data);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return letters;
}

/** One after the other: the first that is refused ends it, and what was done before stays done. */
async function change(ids: readonly string[], verb: "retry" | "excuse", flags: DeadLetterFlags): Promise<void> {
  const body = { actor: `cli:${userInfo().username}`, ...(flags.reason ? { reason: flags.reason } : {}) };
  const done: Letter[] = [];
  try {
    for (const id of ids)
      done.push(
        await askNode(
          { to: flags.node, method: "POST", path: `/v1/dead-letters/${encodeURIComponent(id)}/${verb}`, body },
          deadLetter,
        ),
      );
  } finally {
    print(done, flags);
  }
}

function print(letters: readonly Letter[], { json }: DeadLetterFlags): void {
  const lines = letters.map((l) => [l.id, l.status, l.prediction_id, l.error ?? l.reason ?? ""].join("  "));
  process.stdout.write(json ? `${JSON.stringify(letters)}\n` : `${lines.join("\n") || "none"}\n`);
}
