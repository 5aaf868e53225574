const HASH_BYTES = 32;
const FIRST_ROOM = 1_024;

/** One score as it was read. */
export interface ReadScore {
  modelId: string;
  /** of its round */
  resolveMs: number;
  leaf: Uint8Array;
  value: number | null;
  success: boolean;
}

/** Every score of a bundle in the order of its rounds, held in flat arrays: a period may have a million. */
export class ScoreTable {
  #leaves = new Uint8Array(FIRST_ROOM * HASH_BYTES);
  #values = new Float64Array(FIRST_ROOM);
  #resolved = new Float64Array(FIRST_ROOM);
  /** 1: has a value, 2: success, 4: held by a snapshot, 8: by one that corrects */
  #flags = new Uint8Array(FIRST_ROOM);
  readonly #byModel = new Map<string, number[]>();
  #unsorted = new Set<string>();
  length = 0;

  add({ modelId, resolveMs, leaf, value, success }: ReadScore): number {
    const i = this.length++;
    if (i === this.#flags.length) this.#grow();
    this.#leaves.set(leaf, i * HASH_BYTES);
    this.#values[i] = value ?? 0;
    this.#resolved[i] = resolveMs;
    this.#flags[i] = (value === null ? 0 : HAS_VALUE) | (success ? SUCCESS : 0);
    const own = this.#byModel.get(modelId);
    if (own === undefined) this.#byModel.set(modelId, [i]);
    else {
      if (this.#resolved[own.at(-1)!]! > resolveMs) this.#unsorted.add(modelId);
      own.push(i);
    }
    return i;
  }

  leaf = (i: number): Uint8Array => this.#leaves.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES);
  value = (i: number): number | null => ((this.#flags[i]! & HAS_VALUE) === 0 ? null : this.#values[i]!);
  success = (i: number): boolean => (this.#flags[i]! & SUCCESS) !== 0;
  isHeld = (i: number): boolean => (this.#flags[i]! & HELD) !== 0;
  isInCorrection = (i: number): boolean => (this.#flags[i]! & CORRECTION) !== 0;

  hold(i: number, byCorrection: boolean): void {
    this.#flags[i] = this.#flags[i]! | HELD | (byCorrection ? CORRECTION : 0);
  }

  /** A model's scores of the rounds that resolved in [fromMs, toMs), in the order of rounds. */
  between(modelId: string, fromMs: number, toMs: number): number[] {
    const own = this.#byModel.get(modelId) ?? [];
    if (this.#unsorted.delete(modelId)) own.sort((a, b) => this.#resolved[a]! - this.#resolved[b]! || a - b);
    const found: number[] = [];
    for (let at = this.#firstFrom(own, fromMs); at < own.length && this.#resolved[own[at]!]! < toMs; at++)
      found.push(own[at]!);
    return found.sort((a, b) => a - b);
  }

  #firstFrom(own: readonly number[], fromMs: number): number {
    let [low, high] = [0, own.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#resolved[own[middle]!]! < fromMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #grow(): void {
    const room = 2 * this.#flags.length;
    this.#leaves = grown(this.#leaves, new Uint8Array(room * HASH_BYTES));
    this.#values = grown(this.#values, new Float64Array(room));
    this.#resolved = grown(this.#resolved, new Float64Array(room));
    this.#flags = grown(this.#flags, new Uint8Array(room));
  }
}

const [HAS_VALUE, SUCCESS, HELD, CORRECTION] = [1, 2, 4, 8];

function grown<T extends { set(from: T): void }>(from: T, into: T): T {
  into.set(from);
  return into;
}
