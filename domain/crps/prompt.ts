/** Scores of one prompt over all models, as the synth subnet and crunch-synth compare them; a score of -1 is a failed model. */
const FAILED = -1;

export interface PromptScores {
  /** 0 is the best; null: everybody failed */
  scores: number[] | null;
  percentile90: number;
  lowest: number;
}

/** Scores above the 90th percentile of the valid ones, and failed ones, become that percentile; then the lowest is subtracted. */
export function promptScores(scores: readonly number[]): PromptScores {
  const valid = scores.filter((s) => s !== FAILED);
  if (valid.length === 0) return { scores: null, percentile90: 0, lowest: 0 };
  const percentile90 = percentile(valid, 0.9);
  const lowest = Math.min(...valid, Number.POSITIVE_INFINITY);
  const capped = scores.map((s) => (s === FAILED || s > percentile90 ? percentile90 : s));
  return { scores: capped.map((s) => s - lowest), percentile90, lowest };
}

export interface FieldReference {
  best: number;
  cap: number;
  /** of the scores that are not capped: what a model without a score is given */
  p95: number;
}

const CAP_MEDIANS = 10;

/** What one score is compared with: the best, and a cap at ten medians (crunch-synth). null: nobody has a score. */
export function fieldReference(scores: readonly number[]): FieldReference | null {
  const valid = scores.filter((s) => Number.isFinite(s) && s >= 0);
  if (valid.length === 0) return null;
  const cap = CAP_MEDIANS * percentile(valid, 0.5);
  return {
    best: Math.min(...valid),
    cap,
    p95: percentile(
      valid.filter((s) => s <= cap),
      0.95,
    ),
  };
}

/** How far a score lies behind the best, capped; a missing or failed one is given the 95th percentile. Never negative. */
export function gapOf({ best, cap, p95 }: FieldReference, score: number | null): number {
  const own = score === null || !Number.isFinite(score) || score < 0 ? p95 : Math.min(score, cap);
  return Math.max(0, own - best);
}

/** Gap that is worth 1/e, by the horizon in seconds. */
const GAP_SCALE = { hour: 25.5, day: 42.5 } as const;
const HOUR_SECONDS = 3_600;

/** exp(−gap / scale) in (0, 1]; null where there is no gap to speak of. */
export function gapScore(meanGap: number | null, horizonSeconds: number): number | null {
  if (meanGap === null || !Number.isFinite(meanGap)) return null;
  const scale = horizonSeconds <= HOUR_SECONDS ? GAP_SCALE.hour : GAP_SCALE.day;
  return Math.exp(-Math.max(0, meanGap) / scale);
}

/** softmax(β·s): with a negative β the lowest score gets the most. */
export function softmax(scores: readonly number[], beta: number): number[] {
  const scaled = scores.map((s) => beta * s);
  const largest = Math.max(...scaled);
  const powers = scaled.map((s) => Math.exp(s - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

/** Linear interpolation between order statistics, as numpy; NaN where a value is. */
function percentile(values: readonly number[], share: number): number {
  if (values.some(Number.isNaN)) return Number.NaN;
  const sorted = values.toSorted((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  const from = sorted[low]!;
  return from + (at - low) * ((sorted[low + 1] ?? from) - from);
}
