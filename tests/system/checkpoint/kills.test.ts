import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createRpc } from "../../../chain/solana/rpc.ts";
import { planOf } from "../../../db/submissions.ts";
import * as w from "./world.ts";

let temporal: w.Temporal;
let database: Awaited<ReturnType<typeof w.testDatabase>>;
const children: ChildProcess[] = [];
const dir = mkdtempSync(join(tmpdir(), "almanac-kills-"));

beforeAll(async () => {
  [temporal, database] = [await w.testTemporal(), await w.testDatabase()];
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});
afterAll(async () => {
  await temporal.close();
  await database.close();
  rmSync(dir, { recursive: true, force: true });
});

function run(file: string, settings: object): { child: ChildProcess; said(text: string): Promise<string> } {
  const child = spawn(process.execPath, [join(import.meta.dirname, file), JSON.stringify(settings)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  const lines: string[] = [];
  createInterface(child.stdout!).on("line", (line) => lines.push(line));
  const said = (text: string) =>
    w.eventually(async () => {
      const line = lines.find((l) => l.includes(text));
      if (line === undefined) throw new Error(`it has not said "${text}", but: ${lines.join(", ")}`);
      return line;
    }, 60_000);
  return { child, said };
}
const kill = async (child: ChildProcess) => {
  child.kill("SIGKILL");
  await once(child, "exit");
};

const startChain = async (port: number) => {
  const chain = run("../../../chain/dev-chain/main.ts", {
    dir: join(dir, "chain"),
    port,
    slotMs: 50,
    finalAfterSlots: 20,
  });
  const { url } = JSON.parse(await chain.said("ready")) as { url: string };
  return { ...chain, url };
};
const worker = (rpcUrl: string, hangAfterSend: boolean) =>
  run("worker-process.ts", {
    ...{
      url: database.url,
      address: temporal.address,
      namespace: temporal.namespace,
      codePath: temporal.bundle.codePath,
    },
    ...{ rpcUrl, hangAfterSend },
  });

test("kill -9 of the worker right after it sent, and of the chain in the middle: one emission, exact payments", async () => {
  let chain = await startChain(0);
  const port = Number(new URL(chain.url).port);
  const rpc = createRpc(chain.url, 2_000);
  const signer = await w.submitter();
  await rpc.airdrop(signer.address, 50_000_000_000n);
  await w.seedPeriod(database.db, w.PERIOD);
  await w.runsOf(temporal, database.db, "kills").ensureCheckpoints();

  const first = worker(chain.url, true);
  await first.said("sent");
  await kill(first.child);
  const [sent] = await database.db.selectFrom("submission_attempts").select(["signature", "sent_at"]).execute();
  expect(sent!.sent_at).toBeNull(); // the chain has it, the database does not know

  // Two workers take over, on a chain that dies too and comes back with everything that it had answered.
  const others = [worker(chain.url, false), worker(chain.url, false)];
  for (const other of others) await other.said("ready");
  await kill(chain.child);
  chain = await startChain(port);
  expect(await rpc.status(sent!.signature)).toMatchObject({ err: null });

  const row = await w.until(database.db, w.PERIOD, (r) => r.phase === "PAID", 110_000);
  for (const { to, lamports } of w.expectedOf(row)) expect(await rpc.balance(to, "finalized")).toBe(BigInt(lamports));
  const plan = await planOf(database.db, row.id, 0);
  expect(await rpc.signaturesFor(plan!.key.address)).toEqual([{ signature: sent!.signature, err: null }]);
  expect(row.tx_hash).toBe(sent!.signature);
}, 200_000);
