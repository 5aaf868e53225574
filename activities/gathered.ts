import { setImmediate as soon } from "node:timers/promises";

export interface Gathering<Q> {
  /** so many batches may be under way; absent: 1 */
  lanes?: number;
  /** a batch holds at most so much */
  most: number;
  /** what a question adds to its batch; absent: 1 */
  weight?: (question: Q) => number;
  /** errors that one question may be to blame for: each of the batch is then asked alone. Any other is the error of all */
  isOfOne?: (error: unknown) => boolean;
}

interface Waiting<Q, A> {
  question: Q;
  answer: (answer: A) => void;
  fail: (error: unknown) => void;
}

/**
 * Questions that come while all lanes are busy are asked together in the next batch; a single one does not wait. `ask` answers in the
 * questions' order. What is wrong with one is no error of the others, where `isOfOne` knows it.
 */
export function gathered<Q, A>(
  { lanes = 1, most, weight = () => 1, isOfOne = () => false }: Gathering<Q>,
  ask: (questions: readonly Q[]) => Promise<readonly A[]>,
): (question: Q) => Promise<A> {
  const queue: Waiting<Q, A>[] = [];
  let busy = 0;

  /** At least one, and as many more as fit. */
  function nextBatch(): Waiting<Q, A>[] {
    let [count, sum] = [0, 0];
    for (const { question } of queue) {
      sum += weight(question);
      if (count > 0 && sum > most) break;
      count++;
    }
    return queue.splice(0, count);
  }

  async function askAll(batch: readonly Waiting<Q, A>[]): Promise<void> {
    try {
      const answers = await ask(batch.map((w) => w.question));
      if (answers.length !== batch.length)
        throw new Error(`${answers.length} answers to ${batch.length} questions that were asked together`);
      batch.forEach((w, i) => {
        w.answer(answers[i]!);
      });
    } catch (error) {
      if (batch.length > 1 && isOfOne(error)) for (const w of batch) await askAll([w]);
      else for (const w of batch) w.fail(error);
    }
  }

  async function work(): Promise<void> {
    busy++;
    await soon(); // those that come in the same breath come along
    while (queue.length > 0) await askAll(nextBatch());
    busy--;
  }

  return (question) =>
    new Promise((answer, fail) => {
      queue.push({ question, answer, fail });
      if (busy < lanes) void work();
    });
}
