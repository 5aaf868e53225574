import { afterAll, beforeAll, expect, test } from "vitest";
import { transitionsOf } from "../../../db/checkpoints.ts";
import { startWorker } from "./landed.ts";
import { cells, expectPaidOnce, id, startChain, WITHIN_MS } from "./one-checkpoint.ts";
import { endAll } from "./processes.ts";
import * as w from "./world.ts";

// Each test has a database, a namespace, a chain and workers of its own: they wait for the same time-outs at the same time.
const TEST_MS = 300_000;
let temporals: w.Temporal[];

beforeAll(async () => {
  temporals = [await w.testTemporal(), await w.testTemporal(), await w.testTemporal()];
});
afterAll(async () => {
  await endAll();
  for (const temporal of temporals) await temporal.close();
});

async function sealing(temporal: w.Temporal) {
  const [store, competition, chain] = [await w.testDatabase(), w.newCompetition(), await startChain()];
  await w.seedPeriod(store.db, w.PERIOD);
  await w.runsOf(temporal, store.db, competition).ensureCheckpoints();
  return { store, competition, chain };
}

test.concurrent(
  "a backup from before the submission, restored after it was paid: the chain is believed, nobody is paid again",
  async ({ expect }) => {
    const temporal = temporals[0]!;
    const { store, competition, chain } = await sealing(temporal);
    const first = startWorker(store, temporal, cells(chain, "before sign"));
    await first.said(`at ${id}`);
    const backup = await w.copyOf(store);
    await first.kill();
    const second = startWorker(store, temporal, cells(chain, "none"));
    await expectPaidOnce(chain, store);
    const paid = await w.until(store.db, w.PERIOD, () => true);
    await temporal.client.workflow.getHandle(w.workflowIdOf(competition)).result();
    await second.kill();

    expect(await w.until(backup.db, w.PERIOD, () => true)).toMatchObject({ phase: "PLANNED", tx_hash: null });
    const third = startWorker(backup, temporal, cells(chain, "none"));
    expect(await w.runsOf(temporal, backup.db, competition).ensureCheckpoints()).toMatchObject({ open: 1 });
    await expectPaidOnce(chain, backup);
    expect((await w.until(backup.db, w.PERIOD, () => true)).tx_hash).toBe(paid.tx_hash);
    const attempts = await backup.db.selectFrom("submission_attempts").select("n").execute();
    expect(attempts).toEqual([]); // nothing was signed: the markers were there
    await third.kill();
    await backup.close();
    await store.close();
  },
  TEST_MS,
);

async function stateOf({ db }: w.Store) {
  const { phase, version, tx_hash, status } = await w.until(db, w.PERIOD, () => true);
  const steps = (await transitionsOf(db, id)).map(
    (s) => `${s.from_phase}>${s.to_phase} ${s.chain_attempt} ${s.tx_hash}`,
  );
  const signed = await db
    .selectFrom("submission_attempts")
    .select(["part", "n", "signature", "outcome"])
    .orderBy("part")
    .orderBy("n")
    .execute();
  return { phase, version, tx_hash, status, steps, signed };
}

test.concurrent.each([
  [1, "signed, not stored"],
  [2, "stored, not sent"],
] as const)(
  "two workers, %i: the first is stopped at '%s', the second takes over and pays, the first wakes up: nothing changes (R22)",
  async (i, point) => {
    const temporal = temporals[i]!;
    const { store, chain } = await sealing(temporal);
    const first = startWorker(store, temporal, cells(chain, point, true));
    await first.said(`at ${id}`);
    const second = startWorker(store, temporal, cells(chain, "none"));
    await expectPaidOnce(chain, store);
    const before = await stateOf(store);
    first.child.kill("SIGCONT");
    await first.said("went on with", WITHIN_MS);
    expect(await stateOf(store)).toEqual(before);
    await expectPaidOnce(chain, store);
    await Promise.all([first.kill(), second.kill()]);
    await store.close();
  },
  TEST_MS,
);
