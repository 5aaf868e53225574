import { randomUUID } from "node:crypto";
import { userInfo } from "node:os";
import { createInterface } from "node:readline/promises";
import { decisionResult } from "../api/contract/checkpoint-actions.ts";
import type { CheckpointView } from "../api/contract/checkpoints.ts";
import { nodeInfo } from "../api/contract/node.ts";
import type { Decision } from "../domain/checkpoint.ts";
import { checkpointOf, summaryOf } from "./checkpoint.ts";
import type { CheckpointFlags } from "./checkpoint-flags.ts";
import { type Signed, signDecision } from "./checkpoint-sign.ts";
import { EXIT, ExitError } from "./exit.ts";
import { askNode } from "./report-api.ts";

const VALID_MS = 600_000;
const ROUTES = { approve: "approvals", retry: "submissions", void: "voidings" } as const;
type Verb = keyof typeof ROUTES;

/** `almanac checkpoint sign`: nothing is sent; the text can be pasted into the Temporal UI. */
export async function signCommand(id: string, action: string, flags: CheckpointFlags): Promise<void> {
  if (action === "void" && !flags.reason)
    throw new ExitError(EXIT.usage, 'void wants a reason: add --reason "…"; everybody reads it');
  const input = await signedInput(await checkpointOf(id, flags), action as Decision, flags);
  process.stdout.write(`${JSON.stringify(input)}\n`);
}

/** `almanac checkpoint approve|retry|void`: shows the plan, asks, signs where the network wants it, and sends it once. */
export async function decideCommand(id: string, verb: Verb, flags: CheckpointFlags): Promise<void> {
  const view = await checkpointOf(id, flags);
  const action = verb === "retry" && view.open_decisions.includes("retryBlocked") ? "retryBlocked" : verb;
  const { network } = await infoOf(flags);
  process.stderr.write(`${[...summaryOf(view), "", planOf(verb, view, network)].join("\n")}\n`);
  // A key that is named may belong to a decision that was made before: the node answers it as it did then.
  if (!view.open_decisions.includes(action) && !flags.idempotencyKey)
    throw new ExitError(EXIT.conflict, `${view.id} is ${view.phase}: ${verb} is not open`);
  if (flags.dryRun) return;
  if (network !== "LOCAL" && !flags.key)
    throw new ExitError(EXIT.usage, `on ${network} a decision is signed: add --key <the approver's key file>`);
  await requireConsent(view.id, network, flags);
  const named = { ...flags, idempotencyKey: flags.idempotencyKey ?? randomUUID() };
  const input = network === "LOCAL" ? localInput(flags) : await signedInput(view, action, named);
  const answer = await askNode(
    {
      ...{ to: flags.node, method: "POST", path: `/v1/checkpoints/${encodeURIComponent(view.id)}/${ROUTES[verb]}` },
      body: verb === "retry" ? { action, ...input } : input,
      headers: { "if-match": `"${view.id}-${view.version}"`, "idempotency-key": named.idempotencyKey },
    },
    decisionResult,
  ).catch((error: unknown) => withKey(error, named.idempotencyKey));
  const waits = answer.waits_for ? `, waits for ${answer.waits_for}` : "";
  const text = flags.json ? JSON.stringify(answer) : `${answer.id} is ${answer.phase}${waits} (by ${answer.actor})`;
  process.stdout.write(`${text}\n`);
}

/** Whoever does not know what became of it can ask again, without doing it twice. */
function withKey(error: unknown, key: string): never {
  if (!(error instanceof ExitError) || error.exitCode !== EXIT.unreachable) throw error;
  throw new ExitError(error.exitCode, `${error.message}\nAsk again with --idempotency-key ${key}: it is done once.`);
}

const infoOf = ({ node }: CheckpointFlags) => askNode({ to: node, path: "/info" }, nodeInfo);

const localInput = ({ reason }: CheckpointFlags) => ({
  actor: `cli:${userInfo().username}`,
  ...(reason ? { reason } : {}),
});

async function signedInput(view: CheckpointView, action: Decision, flags: CheckpointFlags) {
  const { network, crunch_address, crunch_id } = await infoOf(flags);
  const { readKeyFile } = await import("../chain/key.ts");
  const of: Signed = {
    ...{ network, crunch: crunch_address || crunch_id },
    ...{ checkpoint: view.id, emissionHash: view.emission_hash },
  };
  const { reason = null, valid: validMs = VALID_MS, idempotencyKey: key = randomUUID() } = flags;
  return signDecision(await readKeyFile(flags.key!), of, { action, reason, key, validMs });
}

function planOf(verb: Verb, { id, emission }: CheckpointView, network: string): string {
  if (verb === "approve")
    return `approve: ${id} is submitted on ${network}, and ${emission.length} crunchers are paid. This cannot be taken back.`;
  if (verb === "void") return `void: ${id} ends here. Nobody is paid by it, and it is never submitted.`;
  return `retry: ${id} goes on where it stopped, on ${network}; what is on chain already is not done again.`;
}

/** Money moves or is withheld off LOCAL: the id is typed, there or in --confirm. */
async function requireConsent(id: string, network: string, { yes, confirm }: CheckpointFlags): Promise<void> {
  if (yes && (network === "LOCAL" || confirm === id)) return;
  if (yes)
    throw new ExitError(
      EXIT.usage,
      `on ${network} --yes wants --confirm ${id} beside it; --confirm ${confirm ?? "is missing"}`,
    );
  if (!process.stdin.isTTY)
    throw new ExitError(
      EXIT.usage,
      `nobody can be asked here: add --yes${network === "LOCAL" ? "" : ` --confirm ${id}`}`,
    );
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const typed = await terminal.question(network === "LOCAL" ? "go on? [y/N] " : `type ${id} to go on: `);
  terminal.close();
  if (typed.trim() !== (network === "LOCAL" ? "y" : id)) throw new ExitError(EXIT.usage, "not done");
}
