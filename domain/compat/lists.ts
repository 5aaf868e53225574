import { isPythonNumber, pythonFloat } from "./python.ts";

/** What the public crunch-node's metrics read: lists of predictions and of scores, in order, each without a word of the other's rounds. */
export interface PeerPrediction {
  inference_output?: Readonly<Record<string, unknown>> | null;
}
export interface PeerScore {
  result?: Readonly<Record<string, unknown>> | null;
}
export interface PeerContext {
  modelId: string;
  models: ReadonlyMap<string, readonly PeerPrediction[]>;
  ensembles: ReadonlyMap<string, readonly PeerPrediction[]>;
}

const FIELDS = ["value", "expected_return", "signal", "prediction"];

export function predictedNumbers(predictions: readonly PeerPrediction[]): number[] {
  return predictions.flatMap((p) => {
    const number = predictedNumber(p);
    return number === undefined ? [] : [number];
  });
}

/** The first of the known fields that is a number, else the first number of any name; undefined: none. */
function predictedNumber(prediction: PeerPrediction): number | undefined {
  const output = prediction.inference_output === undefined ? {} : prediction.inference_output;
  if (output === null) throw new TypeError("'NoneType' object has no attribute 'get'");
  for (const field of FIELDS) {
    const number = output[field] === null ? undefined : pythonFloat(output[field]);
    if (number !== undefined) return number;
  }
  const found = Object.values(output).find(isPythonNumber);
  return found === undefined ? undefined : Number(found);
}

function resultOf(score: PeerScore): Readonly<Record<string, unknown>> {
  if (score.result === null) throw new TypeError("'NoneType' object has no attribute 'get'");
  return score.result ?? {};
}

export const actualReturn = (score: PeerScore): number => {
  const result = resultOf(score);
  return pythonFloat(result.actual_return) ?? pythonFloat(result.profit) ?? 0;
};
/** Empty where the score has no number. */
export const scoreValue = (score: PeerScore): number[] => {
  const value = pythonFloat(resultOf(score).value);
  return value === undefined ? [] : [value];
};
