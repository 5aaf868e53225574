import type { Logger } from "pino";
import { CODE } from "../protocol/answer-code.ts";
import { type Batch, createBatch } from "./batch.ts";
import type { Launch } from "./box.ts";
import { type Answer, decodeAnswers, type HostCall, KIND } from "./frames.ts";
import { type HostEvents, type HostProcess, startHostProcess } from "./host-process.ts";
import { createModelLog, type ModelLog } from "./log-drain.ts";

const HELLO_MS = 20_000;
const SETUP_MS = 120_000;
const FIRST_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 60_000;
/** A host that lived this long starts its backoff anew. */
const HEALTHY_MS = 60_000;
const QUEUE_LIMIT = 4;
const NO_VALUE = { runUs: 0, type: 3 };

type HostState = "STARTING" | "READY" | "DOWN" | "STOPPED";
export type HostAction = "BATCH" | "SETUP" | "REST";
/** Life of one model's process: calls go in one after another, whatever happens each gets its answers. */
export interface ModelHost {
  state(): HostState;
  /** Number of the process that answers next, from 1; another number means that the model's memory was lost. */
  incarnation(): number;
  /** Why it is not READY, for people. */
  reason(): string | null;
  readonly log: ModelLog;
  /** One answer a call; at the deadline the process is killed and started again. Rejects with "BUSY" when too many wait. */
  run(action: HostAction, calls: readonly HostCall[], timeoutMs: number): Promise<Answer[]>;
  /** The same, each answer as it comes. At most `queueLimit` may wait before it; else every call is answered BUSY. */
  submit(batch: Batch, sink: AnswerSink, limits: { timeoutMs: number; queueLimit: number }): void;
  restart(why: string): void;
  stop(): Promise<void>;
}

/** Gets exactly one answer for each call of a batch, by its index. */
export type AnswerSink = (call: number, answer: Answer) => void;

interface Job {
  readonly action: HostAction;
  readonly batch: Batch;
  readonly sink: AnswerSink;
  timer: NodeJS.Timeout;
  /** the calls that were sent, by index: those that the host had been given before are not */
  sent: readonly number[];
  /** how many of them are answered */
  answered: number;
}

const finding = (code: number, text: string): Answer => ({ ...NO_VALUE, code, value: Buffer.from(text) });
/** Codes after which the model has seen the call's arguments. */
const REACHED: ReadonlySet<number> = new Set([CODE.OK, CODE.FAILED, CODE.TOO_LARGE, CODE.NOT_FINITE]);

/** Starts the model's process anew. */
export type StartHost = (log: ModelLog, events: HostEvents) => HostProcess;

export function createModelHost(
  options: ({ launch: () => Launch } | { start: StartHost }) & { logger: Logger; onChange: () => void },
): ModelHost {
  const { logger } = options;
  const startHost: StartHost =
    "start" in options ? options.start : (to, events) => startHostProcess(options.launch(), to, events);
  const log = createModelLog();
  let state: HostState = "STARTING";
  let reason: string | null = "starting";
  let host: HostProcess | undefined;
  let greeted = false;
  let startedAt = 0;
  let incarnation = 1;
  let backoffMs = FIRST_BACKOFF_MS;
  let job: Job | undefined;
  let queue: Job[] = [];
  let readsMarshal = false;
  let lastKey: string | undefined;
  let setup: HostCall | undefined;
  let timer: NodeJS.Timeout | undefined;

  const become = (next: HostState, why: string | null) => {
    state = next;
    reason = why;
    options.onChange();
  };

  function start(): void {
    startedAt = Date.now();
    become("STARTING", "starting");
    greeted = false;
    const own = startHost(log, {
      frame: (body) => host === own && take(own, body),
      oversize: (length) => down(own, CODE.PROTOCOL, `sent a frame of ${length} bytes`),
      end: (why) => down(own, CODE.DIED, why),
    });
    host = own;
    timer = setTimeout(() => down(own, CODE.DIED, `said nothing for ${HELLO_MS} ms after its start`), HELLO_MS);
  }

  function take(own: HostProcess, body: Buffer): boolean {
    if (!greeted && body[0] === KIND.HELLO) {
      greeted = true;
      clearTimeout(timer);
      readsMarshal = saysMarshal(body);
      restoreSetup();
      return true;
    }
    try {
      takeAnswers(body);
      return true;
    } catch (error) {
      down(own, CODE.PROTOCOL, (error as Error).message);
      return false;
    }
  }

  function takeAnswers(body: Buffer): void {
    const { first, answers } = decodeAnswers(body);
    const own = job;
    if (
      !own ||
      body[0] !== KIND.ANSWER ||
      body.readUInt32LE(1) !== own.batch.id ||
      first !== own.answered ||
      first + answers.length > own.sent.length
    ) {
      throw new Error("sent an answer that nobody asked for");
    }
    own.answered += answers.length;
    const isDone = own.answered === own.sent.length;
    if (isDone) job = undefined;
    for (let i = 0; i < answers.length; i++) {
      const index = own.sent[first + i] ?? 0;
      const answer = answers[i] as Answer;
      remember(own, index, answer);
      own.sink(index, answer);
    }
    if (!isDone) return;
    clearTimeout(own.timer);
    pump();
  }

  // A new process is set up as the old one was, before anybody calls it.
  function remember({ action, batch }: Job, index: number, { code }: Answer): void {
    const call = batch.calls[index];
    if (action === "BATCH") {
      if (call?.key !== undefined && REACHED.has(code)) lastKey = call.key;
    } else if (code === CODE.OK) {
      lastKey = undefined;
      setup = action === "REST" ? undefined : (setup ?? call);
    }
  }

  function restoreSetup(): void {
    if (setup === undefined) {
      ready();
      return;
    }
    const sink: AnswerSink = (_call, answer) => {
      if (answer.code === CODE.OK) ready();
      else if (host) down(host, CODE.DIED, `could not be set up again: ${answer.value.toString("utf8").slice(0, 200)}`);
    };
    enqueue("SETUP", createBatch([setup], SETUP_MS), sink, SETUP_MS, true);
    pump(true);
  }

  function ready(): void {
    become("READY", null);
    pump();
  }

  function pump(first = false): void {
    while (!job && (state === "READY" || first)) {
      const next = queue.shift();
      if (!next) return;
      send(next);
    }
  }

  function send(next: Job): void {
    const { batch } = next;
    const isKnown = (index: number) => batch.calls[index]?.key !== undefined && batch.calls[index]?.key === lastKey;
    if (lastKey !== undefined && batch.hasKeys && batch.all.some(isKnown))
      next.sent = batch.all.filter((index) => !isKnown(index));
    if (next.sent.length > 0) {
      job = next;
      host?.write(batch.frame(KIND[next.action], next.sent, readsMarshal));
    } else clearTimeout(next.timer);
    if (next.sent === batch.all) return;
    for (const index of batch.all)
      if (!next.sent.includes(index)) next.sink(index, finding(CODE.ALREADY_DELIVERED, ""));
  }

  function enqueue(action: HostAction, batch: Batch, sink: AnswerSink, timeoutMs: number, front = false): void {
    const added: Job = {
      action,
      batch,
      sink,
      sent: batch.all,
      answered: 0,
      timer: setTimeout(() => expire(added), timeoutMs),
    };
    if (front) queue.unshift(added);
    else queue.push(added);
  }

  /** The calls that have no answer yet get the runner's own finding. */
  function fill(lost: Job, code: number, text: string): void {
    clearTimeout(lost.timer);
    for (const index of lost.sent.slice(lost.answered)) lost.sink(index, finding(code, text));
  }

  function expire(late: Job): void {
    if (job === late && host) {
      down(host, CODE.TIMEOUT, "did not answer in time; it was ended and started again, its memory is lost");
      return;
    }
    queue = queue.filter((waiting) => waiting !== late);
    fill(late, CODE.TIMEOUT, "waited in the queue until its deadline");
  }

  /** The process is over, or has to be: everything that waits is answered, the next start is planned. */
  function down(own: HostProcess, code: number, why: string): void {
    if (host !== own || state === "STOPPED" || state === "DOWN") return;
    clearTimeout(timer);
    own.kill();
    if (Date.now() - startedAt > HEALTHY_MS) backoffMs = FIRST_BACKOFF_MS;
    logger.warn({ why, restartInMs: backoffMs, incarnation, log: log.text().slice(-2000) }, "model's process is down");
    const lost = [...(job ? [job] : []), ...queue];
    job = undefined;
    queue = [];
    lastKey = undefined;
    incarnation++;
    become("DOWN", `The model's process ${why}`);
    for (const each of lost) fill(each, code, `the model's process ${why}`);
    timer = setTimeout(start, backoffMs);
    backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS);
  }

  const isAway = () => state === "DOWN" || state === "STOPPED";

  start();
  return {
    log,
    state: () => state,
    incarnation: () => incarnation,
    reason: () => reason,
    async run(action, calls, timeoutMs) {
      if (isAway()) return calls.map(() => finding(CODE.NOT_READY, reason ?? "the model is stopped"));
      if (queue.length >= QUEUE_LIMIT) throw new Error("BUSY");
      const answers: Answer[] = [];
      return new Promise((resolve) => {
        const sink: AnswerSink = (index, answer) => {
          answers[index] = answer;
          if (Object.keys(answers).length === calls.length) resolve(answers);
        };
        enqueue(action, createBatch(calls, timeoutMs), sink, timeoutMs);
        pump();
      });
    },
    submit(batch, sink, { timeoutMs, queueLimit }) {
      const all = (answer: Answer) => {
        for (const index of batch.all) sink(index, answer);
      };
      if (isAway()) return all(finding(CODE.NOT_READY, reason ?? "the model is stopped"));
      if (queue.length >= queueLimit) return all(finding(CODE.BUSY, "too many calls wait for this model"));
      enqueue("BATCH", batch, sink, timeoutMs);
      pump();
    },
    restart(why) {
      if (host) down(host, CODE.DIED, why);
    },
    async stop() {
      if (state === "STOPPED") return;
      const lost = [...(job ? [job] : []), ...queue];
      job = undefined;
      queue = [];
      clearTimeout(timer);
      if (state !== "DOWN") host?.kill();
      become("STOPPED", "stopped");
      for (const each of lost) fill(each, CODE.NOT_READY, "the model was stopped");
      await host?.exited;
    },
  };
}

/** Python's hosts read marshal, those of other languages JSON. */
function saysMarshal(hello: Buffer): boolean {
  try {
    const said: unknown = JSON.parse(hello.toString("utf8", 5));
    return typeof said === "object" && said !== null && "marshal" in said && said.marshal === true;
  } catch {
    return false;
  }
}
