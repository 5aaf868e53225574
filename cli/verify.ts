import { createHash, createPublicKey, verify } from "node:crypto";
import { pino } from "pino";
import { z } from "zod";
import { sha256 } from "../activities/sha256.ts";
import { ChainError } from "../chain/port.ts";
import { addressOf, findCheckpoint } from "../chain/solana/checkpoint-evidence.ts";
import { readConfig } from "../config.ts";
import { fromHex } from "../proofs/hash.ts";
import { verifyConsistency } from "../proofs/merkle.ts";
import type { SignatureCheck } from "../proofs/note.ts";
import { openArchive } from "../proofs/verify/archive.ts";
import { Difference } from "../proofs/verify/difference.ts";
import { type Step, type Verified, verifyBundle } from "../proofs/verify/verify.ts";
import { pythonHostOf } from "../workers/competition.ts";
import { isUrl, openBundle } from "./bundle-source.ts";
import { EXIT, ExitError } from "./exit.ts";
import { type AskConsistency, compareHead, defaultStatePath, readHeads, rememberHead } from "./log-heads.ts";
import { type FoundContract, ownContract } from "./own-contract.ts";
import type { VerifyFlags } from "./verify-flags.ts";

const RPC_TIMEOUT_MS = 15_000;

interface Report {
  steps: Step[];
  /** what nobody checked, in sentences */
  given: string[];
  checkpoint: string | null;
  difference: { message: string; file: string; record: string; field: string; expected: string; found: string } | null;
}

/** `almanac verify`: see the exit codes in its help. */
export async function verifyCommand(target: string, flags: VerifyFlags): Promise<void> {
  const report: Report = { steps: [], given: [], checkpoint: null, difference: null };
  const step = (found: Step): void => {
    report.steps.push(found);
    if (!flags.json) process.stdout.write(`✔ ${found.name.padEnd(11)} ${found.text}\n`);
  };
  try {
    await check(target, flags, report, step);
  } catch (error) {
    if (error instanceof ChainError) throw new ExitError(EXIT.unreachable, error.message);
    if (!(error instanceof Difference)) throw error;
    const { message, file, record, field, expected, found } = error;
    report.difference = { message, file, record, field, expected, found };
    if (!flags.json) process.stdout.write(`✘ ${message}\n`);
    process.exitCode = EXIT.mismatch;
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else for (const sentence of report.difference ? [] : report.given) process.stdout.write(`– ${sentence}\n`);
}

async function check(target: string, flags: VerifyFlags, report: Report, step: (step: Step) => void): Promise<void> {
  const config = readConfig();
  const log = pino({ level: config.LOG_LEVEL === "debug" ? "debug" : "silent" }, pino.destination(2));
  const statePath = flags.state ?? defaultStatePath();
  const seen = await readHeads(statePath);
  const bytes = await openBundle(target, flags.checkpoint);
  let own: FoundContract | null = null;
  await using python = pythonHostOf(config, log);
  const verified = await verifyBundle(openArchive(bytes), {
    ...{ hash: sha256, startHash: () => createHash("sha256"), verify: verifyEd25519, step },
    contract: async (bundled) => {
      own = await ownContract(bundled, { path: flags.contract, config, python, log });
      return own;
    },
  });
  report.checkpoint = verified.record.id;
  report.given.push(...verified.given);
  const { where } = (own as FoundContract | null) ?? { where: null };
  if (where === null)
    report.given.push("no copy of the contract is here: name one with --contract to compute scores again");
  else step({ name: "scorer", text: `this machine's own ${where}, whose hash is the contract's` });
  isAsked(flags, verified);
  const signer = addressOf(fromHex(verified.log.signer));
  if (flags.key !== undefined && flags.key !== signer)
    throw new Difference({ file: "log.json", record: "" }, "signer", flags.key, signer);
  step({ name: "last seen", text: await compareHead(seen, verified.log, isUrl(target) ? askNodeAt(target) : null) });
  await rememberHead(statePath, seen, verified.log);
  if (flags.key === undefined)
    report.given.push(
      `that ${signer} is the crunch's submitter is taken as given: compare it with what the crunch publishes (--key)`,
    );
  await checkChain(flags, config.SOLANA_RPC_URL, verified, signer, report, step);
}

/** A node that was asked for one checkpoint may not give another. */
function isAsked({ checkpoint }: VerifyFlags, { record }: Verified): void {
  if (checkpoint !== "latest" && checkpoint !== record.id)
    throw new Difference({ file: "checkpoint.json", record: "" }, "record.id", checkpoint, record.id);
}

async function checkChain(
  { offline, rpc }: VerifyFlags,
  configured: string | undefined,
  { record, log }: Verified,
  signer: string,
  report: Report,
  step: (step: Step) => void,
): Promise<void> {
  const rpcUrl = rpc ?? configured;
  if (offline || !rpcUrl) {
    report.given.push(
      offline ? "the chain was not looked at (--offline)" : "the chain was not looked at: name an endpoint with --rpc",
    );
    return;
  }
  const found = await findCheckpoint(
    { rpcUrl, timeoutMs: RPC_TIMEOUT_MS, signer },
    {
      ...{ crunch: record.crunch, checkpoint: record.id, root: record.root, emissionHash: record.emission_hash },
      ...{ logSize: log.size, logRoot: log.root },
    },
  );
  if (found.kind === "other")
    throw new Difference({ file: "the chain", record: record.id }, "content", record.root, found.why);
  const where = `cluster ${found.genesis}, slot ${found.slot}`;
  if (found.kind === "absent")
    report.given.push(`it is not on the chain (yet): neither marker of ${signer} is final on ${where}`);
  else
    step({
      name: "chain",
      text: `both markers of ${signer} are final on ${where}; ${found.signature ? `transaction ${found.signature} says the same` : "their transaction has left the endpoint's history"}`,
    });
}

const consistency = z.object({ path: z.array(z.string().regex(/^[0-9a-f]{64}$/)).max(200) });

/** The node proves it; that the proof is right is computed here. */
const askNodeAt =
  (node: string): AskConsistency =>
  async (from, to) => {
    const answer = await fetch(new URL(`/v1/log/consistency?from=${from.size}&to=${to.size}`, node), {
      redirect: "error",
    });
    if (answer.status === 404) return false; // its log is shorter than it was
    const parsed = consistency.safeParse(await answer.json().catch(() => null));
    if (!parsed.success)
      throw new ExitError(EXIT.unreachable, `${node} does not say how its log grew from ${from.size} to ${to.size}`);
    return verifyConsistency(sha256, {
      ...{ first: from.size, second: to.size, path: parsed.data.path.map(fromHex) },
      ...{ firstRoot: fromHex(from.root), secondRoot: fromHex(to.root) },
    });
  };

const SPKI = fromHex("302a300506032b6570032100");
const verifyEd25519: SignatureCheck = (publicKey, message, signature) =>
  verify(
    null,
    message,
    createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" }),
    signature,
  );
