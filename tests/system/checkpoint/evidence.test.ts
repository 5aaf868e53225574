import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { verifyCommand } from "../../../cli/verify.ts";
import type { VerifyFlags } from "../../../cli/verify-flags.ts";
import { checkpointLog } from "../../../db/checkpoint-log.ts";
import { checkpointById } from "../../../db/checkpoints.ts";
import { bundleName } from "../../../domain/ids.ts";
import type { CheckpointRecord } from "../../../proofs/records.ts";
import type { Step } from "../../../proofs/verify/verify.ts";
import { evidenceNode } from "../../evidence/node.ts";
import { seedRounds } from "../../evidence/world.ts";
import { serverOn } from "../api/world.ts";
import { eventually, fundedChain, portOf } from "./world.ts";

const MINUTE_MS = 60_000;
const START_MS = Date.UTC(2026, 0, 5);
const node = evidenceNode();

const run = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> =>
  new Promise((done) =>
    execFile(process.execPath, ["cli/main.ts", ...args], (error, stdout, stderr) =>
      done({ code: Number(error?.code ?? 0), stdout, stderr }),
    ),
  );

/** `almanac verify`, in this process: `run` shows once that the program does the same. */
async function almanacVerify(target: string, flags: Partial<VerifyFlags>) {
  const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  try {
    await verifyCommand(target, { checkpoint: "latest", json: true, state: join(node.folder, "heads.json"), ...flags });
    const report = JSON.parse(String(write.mock.calls.at(-1)![0]));
    const said = Object.fromEntries(report.steps.map((s: Step) => [s.name, s.text]));
    return { code: Number(process.exitCode ?? 0), report, said };
  } finally {
    write.mockRestore();
    process.exitCode = undefined;
  }
}

describe("the evidence of two periods", () => {
  test("holds every score, also of a round that came late, and is written once", { timeout: 120_000 }, async () => {
    const rounds = await seedRounds(node.db, node.loaded, { models: 5, count: 18, fromMs: START_MS, everyMs: 20_000 });
    const late = [rounds[0]!, rounds[5]!];
    for (const id of rounds.filter((each) => !late.includes(each))) await node.world.score(id);
    const window = (i: number) =>
      node.world.window({ startMs: START_MS + i * MINUTE_MS, endMs: START_MS + (i + 1) * MINUTE_MS });
    await window(0);
    await window(1);
    await node.world.score(late[0]!); // late for the first window, in time for the period
    await window(2);
    const first = { startMs: START_MS, endMs: START_MS + 3 * MINUTE_MS };
    const id = await node.world.evidence(first);
    await node.world.score(late[1]!); // late for the period
    await window(3);
    await window(4);
    await window(5);
    const next = await node.world.evidence({ startMs: first.endMs, endMs: START_MS + 6 * MINUTE_MS });

    const one = await node.verified(id);
    expect(one.steps).toMatchObject({
      scores: "0 of 35 computed again, 7 rounds",
      snapshots: "20 hold these scores",
      ranking: "5 models by value",
    });
    const two = await node.verified(next);
    expect(two.steps.log).toBe("entry 1 of a tree of 2, signed by almanac/starter-challenge");
    expect(two.given.at(-1)).toMatch(/^5 corrected snapshots of earlier periods/);

    for (const [bundle, scores, more] of [
      [id, "35 of 35 computed again, 7 rounds", "first seen"],
      [next, "60 of 60 computed again, 12 rounds", "tree 1 -> 2"],
    ] as const) {
      const { code, report, said } = await almanacVerify(join(node.folder, bundleName(bundle)), { offline: true });
      expect(report.difference).toBeNull();
      expect(code).toBe(0);
      expect(said.scores).toBe(scores);
      expect(said["last seen"]).toContain(more);
    }

    const path = join(node.folder, bundleName(id));
    const bytes = await readFile(path);
    expect(await node.world.bundle(id)).toBeNull();
    expect((await checkpointById(node.db, id))!.bundle_written_at).toBeInstanceOf(Date);
    await rm(path);
    await node.world.bundle(id);
    expect((await readFile(path)).equals(bytes)).toBe(true);
  });

  test("is held against the node and the chain by one command", { timeout: 180_000 }, async () => {
    const entries = await checkpointLog(node.db);
    const [one, two] = entries.map((entry) => entry.checkpoint_id) as [string, string];
    const app = await serverOn(node.db, START_MS, { evidenceRoot: node.folder });
    const url = await app.listen({ host: "127.0.0.1", port: 0 });
    const chain = await fundedChain();
    try {
      const port = await portOf(chain);
      const submit = async (id: string, logRoot: string): Promise<string> => {
        const { idx, record_jsonb } = entries.find((entry) => entry.checkpoint_id === id)!;
        const { crunch, root, emission_hash: emissionHash } = record_jsonb as unknown as CheckpointRecord;
        const plan = await port.freeze({ crunch, checkpoint: id, root, emissionHash, logSize: idx + 1, logRoot });
        const attempt = await port.sign(plan, 1);
        await port.broadcast(attempt);
        await eventually(async () => expect((await port.observe(plan, attempt)).kind).toBe("final"));
        return attempt.id;
      };
      const signature = await submit(one, entries[0]!.tree_root);
      const found = await almanacVerify(url, { checkpoint: one, rpc: chain.url });
      expect(found.report.difference).toBeNull();
      expect(found.code).toBe(0);
      expect(found.said.chain).toContain(`transaction ${signature} says the same`);

      const exported = join(node.folder, "exported.tar.gz");
      expect(await run("export", "checkpoint", "latest", "--node", url, "-o", exported)).toMatchObject({ code: 0 });
      expect((await readFile(exported)).equals(await readFile(join(node.folder, bundleName(two))))).toBe(true);
      const pending = await almanacVerify(exported, { rpc: chain.url });
      expect(pending.code).toBe(0);
      expect(pending.report.given.at(-1)).toMatch(/^it is not on the chain \(yet\)/);

      await submit(two, "f".repeat(64)); // the chain was told of another log than readers are shown
      const forked = await almanacVerify(url, { rpc: chain.url });
      expect(forked.code).toBe(6);
      expect(forked.report.difference.message).toContain("does not carry the memo of this checkpoint");

      const other = await almanacVerify(url, { offline: true, key: "1".repeat(32) });
      expect([other.code, other.report.difference.field]).toEqual([6, "signer"]);
      for (const [target, checkpoint, exitCode] of [
        [url, "CKP_none", 4],
        [join(node.folder, "none.tar.gz"), "latest", 4],
        ["http://127.0.0.1:9", "latest", 7],
      ] as const)
        await expect(almanacVerify(target, { checkpoint })).rejects.toMatchObject({ exitCode });
    } finally {
      await chain.close();
      await app.close();
    }
  });
});
