import { z } from "zod";
import { readJson } from "../protocol/json-read.ts";
import { VariantError } from "../protocol/variant-error.ts";
import type { Launch } from "../runner/box.ts";
import { startHostProcess } from "../runner/host-process.ts";
import { createModelLog } from "../runner/log-drain.ts";

/** Kinds of frames between the node and host_callable.py. */
const KIND = { CALL: 1, ANSWER: 2, HELLO: 3 } as const;
const HEAD_BYTES = 5;
const HELLO_MS = 20_000;
const LOG_TAIL = 2_000;

/** What one call came to; `final`: it hung, and asking again would cost the others the same time once more. */
export type CallOutcome = { value: unknown } | { error: string; final?: true };

/** A run of calls: what was answered, in order; `ended` says why the rest has no answer, the first of them being the cause; `hung`: it took all its time. */
interface CallRun {
  readonly outcomes: readonly CallOutcome[];
  readonly ended?: string;
  readonly hung?: boolean;
}

/** One Python process that holds one callable. */
export interface CallableProcess {
  /** how many arguments it takes by position; null: any number */
  readonly takes: number | null;
  isOver(): boolean;
  /** Calls it with each list of arguments, given as JSON; who lasts longer than `limitMs` is ended with the process. One run at a time. */
  run(calls: readonly string[], limitMs: number): Promise<CallRun>;
  /** the end of what it printed */
  printed(): string;
  end(): Promise<void>;
}

const hello = z.union([z.object({ problem: z.string() }), z.object({ takes: z.number().int().nullable() })]);
const answer = z.tuple([z.number().int(), z.boolean(), z.unknown()]);

/** Starts it and waits until the callable is imported. @throws Error saying why it is not */
export async function startCallableProcess(launch: Launch): Promise<CallableProcess> {
  const log = createModelLog();
  const printed = () => log.text().slice(-LOG_TAIL);
  const greeted = Promise.withResolvers<z.infer<typeof hello>>();
  let over: string | undefined;
  let current: { take(body: Buffer): void; lost(why: string): void } | undefined;
  const stop = (why: string): void => {
    if (over !== undefined) return;
    over = why;
    own.kill();
    greeted.reject(new Error(`${why}${printed() ? `; it printed: ${printed()}` : ""}`));
    current?.lost(why);
  };
  const take = (body: Buffer): boolean => {
    try {
      if (body[0] === KIND.HELLO) greeted.resolve(hello.parse(readJson(body.subarray(HEAD_BYTES))));
      else current?.take(body);
    } catch (error) {
      stop(`sent something that is no answer: ${String(error)}`);
    }
    return over === undefined;
  };
  const own = startHostProcess(launch, log, {
    frame: take,
    oversize: (length) => stop(`sent a frame of ${length} bytes`),
    end: stop,
  });
  const timer = setTimeout(() => stop(`was not imported within ${HELLO_MS} ms`), HELLO_MS);
  const said = await greeted.promise.finally(() => clearTimeout(timer));
  const end = (): Promise<void> => {
    stop("was ended");
    return own.exited.then(() => undefined);
  };
  if ("problem" in said) {
    await end();
    throw new Error(said.problem);
  }
  let batch = 0;
  return {
    takes: said.takes,
    isOver: () => over !== undefined,
    printed,
    end,
    run(calls, limitMs) {
      if (over !== undefined) return Promise.resolve({ outcomes: [], ended: over });
      batch += 1;
      own.write(frameOf(batch, calls));
      return new Promise((resolve) => {
        const outcomes: CallOutcome[] = [];
        let hung = false;
        const overdue = setTimeout(() => {
          hung = true;
          stop(`did not answer within ${limitMs} ms and was ended`);
        }, limitMs);
        const settle = (ended?: string): void => {
          clearTimeout(overdue);
          current = undefined;
          resolve({ outcomes, ...(ended === undefined ? {} : { ended, hung }) });
        };
        current = {
          take: (body) => {
            outcomes.push(outcomeOf(body, batch, outcomes.length));
            overdue.refresh();
            if (outcomes.length === calls.length) settle();
          },
          lost: settle,
        };
      });
    },
  };
}

function frameOf(batch: number, calls: readonly string[]): Buffer {
  const body = Buffer.from(`[${calls.join(",")}]`);
  const head = Buffer.allocUnsafe(4 + HEAD_BYTES);
  head.writeUInt32LE(HEAD_BYTES + body.length, 0);
  head[4] = KIND.CALL;
  head.writeUInt32LE(batch, 5);
  return Buffer.concat([head, body]);
}

/** Throws on anything but the answer that is due next; a value that no table can hold is that call's error. */
function outcomeOf(body: Buffer, batch: number, due: number): CallOutcome {
  if (body[0] !== KIND.ANSWER || body.readUInt32LE(1) !== batch) throw new Error("an answer that nobody asked for");
  try {
    const [index, good, value] = answer.parse(readJson(body.subarray(HEAD_BYTES)));
    if (index !== due) throw new Error(`answer ${index} instead of ${due}`);
    return good ? { value } : { error: String(value) };
  } catch (error) {
    if (!(error instanceof VariantError)) throw error;
    return { error: `its answer cannot be taken: ${error.message}` };
  }
}
