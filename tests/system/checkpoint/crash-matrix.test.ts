import { afterEach, expect, test } from "vitest";
import { z } from "zod";
import { planOf } from "../../../db/submissions.ts";
import { checkpointId } from "../../../domain/ids.ts";
import type { Period } from "../../../domain/period.ts";
import { type CellSettings, CRASHES, type Crash, FAULTS, type Fault, SHORT_FORM } from "./crash-cells.ts";
import { prepareNonce, STANDING_FAULTS } from "./crash-strikes.ts";
import { effects, effectsOn, exactlyPaid, startWorker } from "./landed.ts";
import { endAll, type Program, post, run } from "./processes.ts";
import * as w from "./world.ts";

// The matrix of spec/onchain.md section 2 against the real workflow and a real worker process that is killed with SIGKILL while each of its
// checkpoints stands at its crash point. Chains live in a process of their own; what is counted is read from them alone.
const FULL = process.env.CRASH_MATRIX === "full";
const SLOT_MS = 50;
/** Where the worker has to look while it is confirmed and not final yet, a look comes every few seconds. */
const SLOWLY_FINAL = 240;
const SOON_FINAL = 40;
const CELLS_AT_ONCE = 12;
const WITHIN_MS = 240_000;

interface Cell extends CellSettings {
  id: string;
  period: Period;
}
type Store = w.Store & { temporal: w.Temporal };

afterEach(endAll);

const all = CRASHES.flatMap((crash) => FAULTS.map((fault) => [crash, fault] as const));
const waves = FULL
  ? Array.from({ length: Math.ceil(all.length / CELLS_AT_ONCE) }, (_, i) =>
      all.slice(i * CELLS_AT_ONCE, (i + 1) * CELLS_AT_ONCE),
    )
  : [SHORT_FORM];

async function startCells(wave: readonly (readonly [Crash, Fault])[]): Promise<Cell[]> {
  const slow = (crash: Crash, fault: Fault) => crash === "confirmed" || fault === "fork after confirmed";
  const chains = wave.map(([crash, fault]) => ({
    slotMs: SLOT_MS,
    finalAfterSlots: slow(crash, fault) ? SLOWLY_FINAL : SOON_FINAL,
  }));
  const signer = await w.submitter();
  const program = run("chains-process.ts", { chains, fund: signer.address });
  const { endpoints } = z
    .object({ endpoints: z.array(z.object({ rpcUrl: z.string(), honestUrl: z.string() })) })
    .parse(JSON.parse(await program.said("ready")));
  return Promise.all(
    wave.map(async ([crash, fault], i) => {
      const startMs = w.PERIOD.startMs + i * w.INTERVAL_MS;
      const period = { startMs, endMs: startMs + w.INTERVAL_MS };
      const cell = { id: checkpointId(period.endMs), period, crash, fault, pauses: false, ...endpoints[i]! };
      const standing = STANDING_FAULTS[fault];
      if (standing) await post(`${cell.rpcUrl}/dev/faults`, standing);
      await prepareNonce(cell, signer);
      return cell;
    }),
  );
}

const workerOf = (store: Store, cells: readonly Cell[], without: Partial<CellSettings> = {}): Program =>
  startWorker(store, store.temporal, Object.fromEntries(cells.map((cell) => [cell.id, { ...cell, ...without }])));

/** The periods of all cells, and a copy of that database as another node would hold it; a workflow for each period in both. */
async function twoStores(cells: readonly Cell[]): Promise<[Store, Store]> {
  const seeded = await w.testDatabase();
  for (const { period } of cells) await w.seedPeriod(seeded.db, period, 5);
  const copy = await w.copyOf(seeded);
  const stores = [
    { ...seeded, temporal: await w.testTemporal() },
    { ...copy, temporal: await w.testTemporal() },
  ] as const;
  const endMs = cells.at(-1)!.period.endMs;
  for (const { db, temporal } of stores) await w.runsOf(temporal, db, w.newCompetition(), endMs).ensureCheckpoints();
  return [...stores];
}

const LAST: Record<string, string> = { "other content first": "CONFLICT" };
const lastPhase = ({ fault }: Cell): string => LAST[fault] ?? "PAID";

/** What a cell came to, by its chain: effects of the emission, of each payout batch, and recipients whose amount is not exact. */
async function outcomeOf(cell: Cell, store: Store) {
  const name = `${cell.crash} x ${cell.fault}`;
  const row = await w
    .until(store.db, cell.period, (r) => r.phase === lastPhase(cell), WITHIN_MS)
    .catch((error: Error) => error.message);
  if (typeof row === "string") return { cell: name, stuck: row };
  const { emission, payouts } = await effects(cell.honestUrl, store.db, cell.id);
  const content = (await planOf(store.db, cell.id, 0))!.content!;
  return {
    cell: name,
    effects: emission.length,
    ours: (await effectsOn(cell.honestUrl, content.address)).length,
    payouts,
    wrong: await exactlyPaid(cell.honestUrl, row, cell.fault !== "other content first"),
  };
}

const rightOutcome = (cell: Cell) => {
  const ours = cell.fault === "other content first" ? 0 : 1;
  return { cell: `${cell.crash} x ${cell.fault}`, effects: 1, ours, payouts: ours ? [1] : [], wrong: [] };
};

test.each(waves.map((wave, i) => [i + 1, wave] as const))(
  "wave %i: each emission takes effect once, each recipient is paid exactly, other content is a conflict",
  async (_, wave) => {
    const cells = await startCells(wave);
    const twice = cells.filter((cell) => cell.fault === "two workers, separate stores");
    const atOnce = twice.filter((cell) => cell.crash === "none");
    const [store, other] = await twoStores(cells);
    try {
      const first = workerOf(store, cells);
      const rival = atOnce.length > 0 ? workerOf(other, atOnce) : undefined;
      for (const cell of cells) if (cell.crash !== "none") await first.said(`at ${cell.id}`, WITHIN_MS);
      await rival?.kill();
      workerOf(other, twice, { crash: "none", fault: "none" }); // acts while the first one stands still
      await first.kill();
      const second = workerOf(store, cells, { crash: "none" });

      const outcomes = await Promise.all(cells.map((cell) => outcomeOf(cell, store)));
      expect(outcomes).toEqual(cells.map(rightOutcome));
      expect(await Promise.all(twice.map((cell) => outcomeOf(cell, other)))).toEqual(twice.map(rightOutcome));
      const forked = cells.filter((cell) => cell.fault === "fork after confirmed").map((cell) => `forked ${cell.id}`);
      expect(forked.filter((line) => ![...first.lines, ...second.lines].includes(line))).toEqual([]);
    } finally {
      await endAll();
      for (const { temporal, close } of [store, other]) {
        await temporal.close();
        await close();
      }
    }
  },
  2 * WITHIN_MS + 60_000,
);
