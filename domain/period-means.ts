import type { Contender } from "./emission.ts";
import { ExactSum } from "./exact-sum.ts";

/** A snapshot as the ranking of a period reads it. */
export interface CountedSnapshot {
  model_id: string;
  model_name: string;
  cruncher_id: string;
  cruncher_name: string;
  prediction_count: number;
  result_summary: Readonly<Record<string, unknown>>;
  /** its scoring window ended before the period began: that one's checkpoint has it */
  of_earlier_period: boolean;
  /** what it corrects: counted before, here or in an earlier period; null: it is a first one */
  superseded: { prediction_count: number; result_summary: Readonly<Record<string, unknown>> } | null;
}

interface Sum {
  sum: ExactSum;
  count: number;
}
type Model = Pick<CountedSnapshot, "model_id" | "model_name" | "cruncher_id" | "cruncher_name"> & {
  snapshots: number;
  /** in windows of this period */
  predictions: number;
  fields: Map<string, Sum>;
};

/**
 * What each model did in a period: the mean of every number in its snapshots' summaries, weighted by predictions, over the snapshots that have it.
 * Sums are exact: neither the order of snapshots nor what was taken out again shows in a mean.
 *
 * A correction of a window of this period takes out what it replaces. One of an earlier period's window brings what it holds more: the
 * difference of both sums, over the difference of both counts. Where it holds no more predictions than what it replaces (scored again, voided),
 * it changes nothing: what that checkpoint paid stays paid, and is neither paid again nor taken back from this period.
 */
export class PeriodMeans {
  readonly #models = new Map<string, Model>();
  /** all that were added, those without any prediction too */
  snapshots = 0;

  add(snapshot: CountedSnapshot): void {
    this.snapshots++;
    const { model_id, model_name, cruncher_id, cruncher_name } = snapshot;
    let model = this.#models.get(model_id);
    if (!model) {
      model = {
        ...{ model_id, model_name, cruncher_id, cruncher_name },
        ...{ snapshots: 0, predictions: 0, fields: new Map() },
      };
      this.#models.set(model_id, model);
    }
    model.snapshots++;
    if (!snapshot.of_earlier_period)
      model.predictions += snapshot.prediction_count - (snapshot.superseded?.prediction_count ?? 0);
    count(model.fields, snapshot);
  }

  /** Models with predictions of this period of which none has a number in `field`, by id. */
  without(field: string): Pick<CountedSnapshot, "model_id" | "model_name" | "prediction_count">[] {
    return this.#byId()
      .filter((model) => model.predictions > 0 && !((model.fields.get(field)?.count ?? 0) > 0))
      .map(({ model_id, model_name, predictions }) => ({ model_id, model_name, prediction_count: predictions }));
  }

  /** Every model with something left that counts in `field`, by id. */
  contenders(field: string): Contender[] {
    return this.#byId().flatMap((model): Contender[] => {
      const ranked = model.fields.get(field);
      if (!ranked || ranked.count <= 0) return [];
      return [
        {
          ...{ modelId: model.model_id, modelName: model.model_name },
          ...{ cruncherId: model.cruncher_id, cruncherName: model.cruncher_name },
          ...{
            value: ranked.sum.value() / ranked.count,
            predictionCount: ranked.count,
            snapshotCount: model.snapshots,
          },
          summary: meansOf(model.fields),
        },
      ];
    });
  }

  #byId(): Model[] {
    return [...this.#models.values()].sort((a, b) => (a.model_id < b.model_id ? -1 : 1));
  }
}

function count(fields: Map<string, Sum>, snapshot: CountedSnapshot): void {
  const { result_summary, prediction_count, superseded, of_earlier_period } = snapshot;
  const names = superseded ? { ...superseded.result_summary, ...result_summary } : result_summary;
  for (const name in names) {
    const value = numberIn(result_summary, name);
    const before = superseded && numberIn(superseded.result_summary, name);
    const own = value === null ? 0 : prediction_count;
    const replaced = before === null ? 0 : superseded!.prediction_count;
    if (value === null && before === null) continue;
    if (of_earlier_period && own <= replaced) continue;
    let field = fields.get(name);
    if (!field) {
      field = { sum: new ExactSum(), count: 0 };
      fields.set(name, field);
    }
    if (value !== null) field.sum.add(value * own);
    if (before !== null) field.sum.add(-before * replaced);
    field.count += own - replaced;
  }
}

function numberIn(summary: Readonly<Record<string, unknown>>, name: string): number | null {
  const value = Object.hasOwn(summary, name) ? summary[name] : null;
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

const meansOf = (fields: ReadonlyMap<string, Sum>): Record<string, number> =>
  Object.fromEntries(
    [...fields]
      .map(([name, { sum, count }]): [string, number] => [name, count > 0 ? sum.value() / count : Number.NaN])
      .filter(([, mean]) => Number.isFinite(mean))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
