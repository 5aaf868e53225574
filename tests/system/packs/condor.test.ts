import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parse, stringify } from "yaml";
import { startNode, type TestNode, until } from "../node/harness.ts";

const PACK = resolve(import.meta.dirname, "../../../competitions/condor");
const OWN = join(import.meta.dirname, "condor");
const WINDOW = 20;

const ONE = '{"type": "builtin", "name": "norm", "params": {"loc": 0.0, "scale": 0.02}}';
/** Answers that must cost nobody else anything, with the words that their authors read. */
const BAD: Record<string, { answer: string; reason: string }> = {
  short: { answer: `[${ONE}] * 2`, reason: "distributions: must hold 3, one for each step of 1 s up to 3 s; holds 2" },
  negative: {
    answer: `[${ONE.replace("0.02", "-0.02")}] * (horizon // step)`,
    reason: "distributions.0.params.scale: must be from 1e-7 to 10",
  },
  hundred: {
    answer: `[{"type": "mixture", "components": [{"density": ${ONE}, "weight": 1}] * 100}] * (horizon // step)`,
    reason: "distributions.0.components: has 100 terms: at most 3 in all",
  },
  nan: { answer: `[${ONE.replace("0.02", "float('nan')")}] * (horizon // step)`, reason: "finite" },
};

/** The pack's own models file with a model of the test's and the bad ones added, for this node's crunch. */
function modelsFile(folder: string, crunchId: string): string {
  const pack = parse(readFileSync(join(PACK, "models.yaml"), "utf8")) as { models: Record<string, unknown>[] };
  const entry = (name: string, code: string) => ({
    ...pack.models[0],
    id: name,
    name,
    model_name: name,
    submission_id: name,
    code,
  });
  const examples = pack.models.map((m) => ({ ...m, id: m.name, code: join(PACK, String(m.code)) }));
  const bad = Object.entries(BAD).map(([name, { answer }]) => {
    const file = join(folder, `${name}.py`);
    writeFileSync(
      file,
      `from condor import TrackerBase\n\n\nclass Bad(TrackerBase):\n    def predict(self, asset, horizon, step):\n        return ${answer}\n`,
    );
    return entry(name, file);
  });
  const models = [...examples, entry("windowed", join(OWN, "windowed.py")), ...bad];
  const file = join(folder, "models.yaml");
  writeFileSync(
    file,
    stringify({ packages: [join(PACK, "challenge")], models: models.map((m) => ({ ...m, crunch_id: crunchId })) }),
  );
  return file;
}

interface Row {
  model_id: string;
  status: string;
  reason: string | null;
  scope_key: string;
  due_at: Date;
  output: unknown;
  truth: { returns: (number | null)[] };
  result: { value: number };
}

const scoredRows = async (node: TestNode): Promise<Row[]> =>
  (await node.db
    .selectFrom("predictions as p")
    .innerJoin("rounds as r", "r.id", "p.round_id")
    .innerJoin("truths as t", "t.round_id", "r.id")
    .innerJoin("scores as s", "s.prediction_id", "p.id")
    .select([
      "p.model_id",
      "p.status",
      "p.reason",
      "p.scope_key",
      "r.due_at",
      "p.inference_output_jsonb as output",
      "t.result_jsonb as truth",
      "s.result_jsonb as result",
    ])
    .where("r.status", "=", "SCORED")
    .execute()) as unknown as Row[];

test("densities: collected, refused with a reason where they are none, scored by CRPS; participants find the same digits", async () => {
  const folder = mkdtempSync(join(tmpdir(), "almanac-condor-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const crunchId = `condor-${process.pid}`;
  await using node = await startNode({
    models: {},
    env: {
      CRUNCH_ID: crunchId,
      COMPETITION: join(OWN, "competition.ts"),
      MODELS_FILE: modelsFile(folder, crunchId),
      MODEL_BASE_CLASSNAME: "condor.TrackerBase",
      MODEL_RUNNER_MAX_CONSECUTIVE_FAILURES: "0",
      MODEL_RUNNER_TIMEOUT_SECONDS: "1.5",
      FEED_CANDLES_WINDOW: String(WINDOW),
    },
  });
  const good = ["gaussian", "garch", "empirical-mixture", "student", "windowed"];
  const answered = (rows: readonly Row[]) => rows.filter((r) => r.status === "SCORED" && good.includes(r.model_id));
  await until("every good model has 6 scores of each question", 90_000, async () => {
    const rows = answered(await scoredRows(node));
    return good.every((model) =>
      ["SP500-3-1", "SP500-2-2"].every(
        (key) => rows.filter((r) => r.model_id === model && r.scope_key === key).length >= 6,
      ),
    );
  });
  const rows = await scoredRows(node);

  for (const [model, { reason }] of Object.entries(BAD)) {
    const own = rows.filter((r) => r.model_id === model && r.scope_key === "SP500-3-1");
    expect(own.length, model).toBeGreaterThan(0);
    expect(new Set(own.map((r) => r.status)), model).toEqual(new Set(["FAILED"]));
    expect(
      own.every((r) => r.reason?.includes(reason)),
      `${model}: ${own[0]?.reason}`,
    ).toBe(true);
  }

  await expectSameDigits(node, answered(rows));
  await expectBoard(node, good);
}, 240_000);

/** Stored answers scored by the participants' package, and a backtest over the recorded prices, beside what the node stored. */
async function expectSameDigits(node: TestNode, rows: readonly Row[]): Promise<void> {
  const feed = await node.db
    .selectFrom("feed_records")
    .select(["ts_event", "values_jsonb", "meta_jsonb"])
    .orderBy("ts_event")
    .execute();
  const dues = rows.map((r) => r.due_at.getTime());
  const input = {
    window: WINDOW,
    from: Math.min(...dues),
    until: Math.max(...dues) + 1,
    scored: rows.map((r) => [r.output, r.truth]),
    records: feed.map((r) => {
      const [values, meta] = [r.values_jsonb as { close: number }, r.meta_jsonb as { segment?: string }];
      return [r.ts_event.getTime() + 200, values.close, meta.segment ?? ""];
    }),
  };
  const answer = JSON.parse(
    execFileSync("python3", [join(OWN, "check.py")], {
      input: JSON.stringify(input),
      env: {
        ...process.env,
        PYTHONPATH: [join(PACK, "challenge"), join(PACK, "../python")].join(delimiter),
        PYTHONDONTWRITEBYTECODE: "1",
      },
      encoding: "utf8",
      maxBuffer: 64 * 1024 ** 2,
    }),
  ) as {
    rescored: unknown[];
    rows: { scope_key: string; due_ms: number; status: string; result?: unknown; reason?: string }[];
    metrics: { scored: number; failed: number };
    summary: string;
  };
  expect(answer.rescored).toEqual(rows.map((r) => r.result));

  const replayed = new Map(answer.rows.map((r) => [`${r.scope_key} ${r.due_ms}`, r]));
  const live = rows.filter((r) => r.model_id === "windowed");
  expect(live.length).toBeGreaterThanOrEqual(12);
  for (const row of live) {
    const same = replayed.get(`${row.scope_key} ${row.due_at.getTime()}`);
    expect(same?.result, `${row.scope_key} ${row.due_at.toISOString()} ${same?.reason ?? same?.status}`).toEqual(
      row.result,
    );
  }
  expect(answer.metrics.failed).toBe(0);
  expect(answer.summary).toContain("SP500-3-1");
}

/** Smaller CRPS ranks first, and those who never gave a distribution are behind those who did. */
async function expectBoard(node: TestNode, good: readonly string[]): Promise<void> {
  const board = async () => {
    const query = node.db.selectFrom("leaderboards").select("entries_jsonb").orderBy("window_end", "desc").limit(1);
    return (await query.executeTakeFirst())?.entries_jsonb ?? [];
  };
  await until(
    "a leaderboard of all",
    30_000,
    async () => (await board()).length === good.length + Object.keys(BAD).length,
  );
  const entries = await board();
  const values = entries.map((e) => e.score.ranking.value ?? Number.POSITIVE_INFINITY);
  expect(values).toEqual(values.toSorted((a, b) => a - b));
  expect(entries[0]!.score.ranking).toMatchObject({ key: "score_anchor", direction: "asc" });
  expect(good).toContain(entries[0]!.model_id);
  const worst = Math.max(...entries.filter((e) => good.includes(e.model_id)).map((e) => e.score.ranking.value!));
  for (const name of Object.keys(BAD)) {
    const own = entries.find((e) => e.model_id === name)!;
    expect(own.score.ranking.value!, name).toBeGreaterThanOrEqual(worst);
  }
}
