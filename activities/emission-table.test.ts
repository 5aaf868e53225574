import { describe, expect, test } from "vitest";
import { emissionTable } from "./emission-table.ts";
import type { CheckpointMeta } from "./seal.ts";

const WALLET = "GmaDrppBC7P5ARKV8g3djiwP89vz1jLK23V2GBjuAEGB";
const row = (i: number, more: Partial<CheckpointMeta["ranking"][number]> = {}): CheckpointMeta["ranking"][number] => ({
  ...{ model_id: `m${i}`, model_name: `model ${i}`, cruncher_id: "c", cruncher_name: "ann", rank: i, value: 1 / i },
  ...{ prediction_count: 3, snapshot_count: 1, result_summary: {}, reward_frac64: i === 1 ? 1_000_000_000 : 0 },
  ...more,
});
const recipients = [{ cruncher_id: "c", name: "ann", address: WALLET, cruncher_index: 7, frac64: 1_000_000_000 }];

function tableOf(meta: Partial<CheckpointMeta>, emission: object = {}, hash = "ee"): string {
  const whole: CheckpointMeta = {
    ...{ snapshot_count: 9, model_count: meta.ranking?.length ?? 0, ranking: [], unranked: [], recipients: [] },
    ranked_by: { field: "value", key: "score_recent", direction: "desc" },
    emission_rule: null,
    ...meta,
  };
  const sealed = { id: "CKP_1", meta_jsonb: whole as never, emission_jsonb: emission as never, merkle_root: "aa" };
  return emissionTable({ ...sealed, emission_hash: hash }, "http://node.test");
}

describe("the emission as the Temporal UI shows it", () => {
  test("names models, shares and wallets, crunchers' sums, providers, hashes and links", () => {
    const text = tableOf(
      { ranking: [row(1), row(2)], recipients },
      {
        compute_provider_rewards: [{ provider: WALLET, reward_pct: 1_000_000_000 }],
        data_provider_rewards: [],
      },
    );
    const lines = text.split("\n");
    expect(lines[0]).toBe("2 models, 9 snapshots, ranked by score\\_recent (desc)");
    expect(lines).toContain(`| 1 | model 1 | ann | 1 | 3 | 100.0000 % | ${WALLET} |`);
    expect(lines).toContain("| 2 | model 2 | ann | 0.5 | 3 | 0.0000 % | - |");
    expect(lines).toContain(`| ann | 7 | 100.0000 % | ${WALLET} |`);
    expect(lines).toContain(`compute provider: 100.0000 % of its part to ${WALLET}`);
    expect(text).not.toContain("data provider");
    expect(text).toContain("root `aa`");
    expect(text).toContain("emission `ee`");
    expect(text).toContain("(http://node.test/v1/checkpoints/CKP_1/bundle)");
  });

  test("shows small shares to the last unit", () => {
    const shares = [333_333_334, 1].map((reward_frac64, i) => row(i + 1, { reward_frac64 }));
    expect(tableOf({ ranking: shares, recipients })).toMatch(/33\.3333334 %.*0\.0000001 %/s);
  });

  test("of hostile names is still the same table", () => {
    const hostile = "x|9|\n| 1 | <script>alert(1)</script> `";
    const lines = tableOf({ ranking: [row(1, { model_name: hostile, cruncher_name: hostile })], recipients }).split(
      "\n",
    );
    const rows = lines.filter((line) => /^\| 1 /.test(line));
    expect(rows).toHaveLength(1);
    expect(rows[0]!.split(/(?<!\\)\|/)).toHaveLength(9);
    expect(rows[0]).not.toContain("<");
  });

  test("names who is not ranked, says how many it leaves out, and calls a quiet period so", () => {
    const many = Array.from({ length: 23 }, (_, i) => row(i + 1));
    const unranked = [{ model_id: "z", model_name: "zero", prediction_count: 4 }];
    const text = tableOf({ ranking: many, recipients, unranked });
    expect(text).toContain("and 3 models more");
    expect(text).not.toContain("model 21");
    expect(text).toContain("Without value, so not ranked: zero");
    const quiet = tableOf({}, {}, "");
    expect(quiet).toContain("A quiet period: nobody is paid.");
    expect(quiet).not.toContain("emission `");
  });
});
