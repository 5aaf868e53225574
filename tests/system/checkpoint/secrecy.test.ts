import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { createKeyPairSignerFromPrivateKeyBytes, getBase58Decoder } from "@solana/kit";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkpointWorkflowId } from "../../../domain/ids.ts";
import { periodAt } from "../../../domain/period.ts";
import { startCheckpointRole } from "../../../workers/checkpoint.ts";
import { textOf } from "../history-text.ts";
import { runsOfWorkflow, summaries } from "./histories.ts";
import { roleContext } from "./role-context.ts";
import * as w from "./world.ts";

// A node that signs by a program and lives by a nonce, from the settings to PAID: nothing of the key leaves the program.
const SEED = randomBytes(32);
const PROGRAM = `
const { createPrivateKey, sign } = require("node:crypto");
const { readFileSync } = require("node:fs");
const seed = Buffer.from(readFileSync(process.argv[2], "utf8"), "hex");
const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
console.log(sign(null, Buffer.from(readFileSync(0, "utf8"), "base64"), key).toString("base64"));`;

const dir = mkdtempSync(join(tmpdir(), "almanac-secrecy-"));
let temporal: w.Temporal;
let database: Awaited<ReturnType<typeof w.testDatabase>>;
let chain: Awaited<ReturnType<typeof w.fundedChain>>;

beforeAll(async () => {
  [temporal, database, chain] = [await w.testTemporal(), await w.testDatabase(), await w.fundedChain()];
});
afterAll(async () => {
  await temporal.close();
  await chain.close();
  await database.close();
  rmSync(dir, { recursive: true });
});

/** As a key may be spelled. */
const spellings = (bytes: Uint8Array): string[] => [
  Buffer.from(bytes).toString("hex"),
  Buffer.from(bytes).toString("base64").slice(0, 40),
  getBase58Decoder().decode(bytes).slice(0, 40),
  [...bytes].join(","),
];

/** `almanac chain nonce-create --json`. */
async function nonceCreate(settings: Record<string, string>): Promise<{ address: string; existed: boolean }> {
  const program = join(import.meta.dirname, "../../../cli/main.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [program, "chain", "nonce-create", "--json"], {
    env: { PATH: process.env.PATH, ...settings },
    cwd: dir,
  });
  return JSON.parse(stdout) as { address: string; existed: boolean };
}

test("neither the key nor signed bytes are in histories or logs, and a history reads like a log", async () => {
  const { db } = database;
  const signer = await createKeyPairSignerFromPrivateKeyBytes(SEED);
  const [script, keyFile] = [join(dir, "signer.cjs"), join(dir, "seed.hex")];
  writeFileSync(script, PROGRAM);
  writeFileSync(keyFile, SEED.toString("hex"), { mode: 0o600 });
  chain.ledger.airdrop(signer.address, 10_000_000_000n);
  const settings = {
    ...{ NETWORK: "LOCAL", SOLANA_RPC_URL: chain.url },
    ...{ SIGNER_COMMAND: JSON.stringify([process.execPath, script, keyFile]), SIGNER_ADDRESS: signer.address },
  };
  const nonce = await w.eventually(() => nonceCreate(settings), 60_000); // until the funds are confirmed
  expect(await nonceCreate(settings)).toEqual({ address: nonce.address, existed: true });
  const logged: string[] = [];
  const log = pino({ level: "trace" }, { write: (line: string) => void logged.push(line) });
  const context = await roleContext(
    temporal,
    db,
    {
      ...{ ...settings, SOLANA_RPC_URL_2: chain.url },
      ...{ SUBMISSION_LIFETIME: "nonce", SOLANA_NONCE_ACCOUNT: nonce.address },
    },
    log,
  );
  const { config } = context;
  const clock = { anchorMs: Date.parse(config.CHECKPOINT_ANCHOR), intervalMs: 60_000 };
  const ended = periodAt(clock, Date.now() - 60_000);
  await w.seedPeriod(db, ended, 3);
  const role = await startCheckpointRole(context);
  const row = await w.until(db, ended, (r) => r.phase === "PAID", 90_000);
  for (const { to, amount } of w.expectedOf(row, config.PAYOUT_POOL_LAMPORTS))
    expect(w.balanceOf(chain, to)).toBe(BigInt(amount));
  await role.drain();

  const attempts = await db.selectFrom("submission_attempts").select(["wire", "lifetime_jsonb"]).execute();
  expect(attempts.every((a) => a.lifetime_jsonb.nonceAccount === nonce.address)).toBe(true);
  const runs = await runsOfWorkflow(temporal, checkpointWorkflowId(config.CRUNCH_ID, ended.endMs));
  const told = [runs.map(textOf).join(""), logged.join("")];
  const secrets = [...spellings(SEED), ...attempts.map((a) => a.wire.slice(0, 60))];
  for (const text of told) expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
  for (const text of told) expect(text).toContain(row.tx_hash); // the search can find what is there

  const lines = runs.flatMap(summaries);
  expect(lines).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^seal .* to .*, or find it sealed$/),
      "simulate, sign and store the emission, attempt 1",
      "send the stored bytes of the emission, attempt 1",
      "waits 2 s for the cluster to see it",
      "simulate, sign and store payout batch 1, attempt 1",
      expect.stringMatching(/→ PAID: every batch is final/),
    ]),
  );
  // Every activity says what it does, and a whole checkpoint is a short story.
  const events = runs.flat();
  const activities = events.filter((e) => e.activityTaskScheduledEventAttributes);
  expect(activities.filter((e) => !e.userMetadata?.summary).map((e) => e.activityTaskScheduledEventAttributes)).toEqual(
    [],
  );
  expect(events.length).toBeLessThan(200);
}, 150_000);
