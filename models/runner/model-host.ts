import type { Logger } from "pino";
import type { Launch } from "./box.ts";
import { type Answer, CODE, decodeAnswers, encodeFrame, type HostCall, KIND } from "./frames.ts";
import { type HostProcess, startHostProcess } from "./host-process.ts";
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
  restart(why: string): void;
  stop(): Promise<void>;
}

interface Job {
  readonly id: number;
  readonly frame: Buffer;
  readonly count: number;
  readonly answers: Answer[];
  readonly action: HostAction;
  readonly calls: readonly HostCall[];
  resolve(answers: Answer[]): void;
  timer: NodeJS.Timeout;
}

const finding = (code: number, text: string): Answer => ({ ...NO_VALUE, code, value: Buffer.from(text) });
/** The job's answers, those that are missing filled with the runner's own finding. */
const filled = (job: Job, code: number, text: string): Answer[] => [
  ...job.answers,
  ...Array.from({ length: job.count - job.answers.length }, () => finding(code, text)),
];

export function createModelHost(options: { launch: () => Launch; logger: Logger; onChange: () => void }): ModelHost {
  const { logger } = options;
  const log = createModelLog();
  let state: HostState = "STARTING";
  let reason: string | null = "starting";
  let host: HostProcess | undefined;
  let greeted = false;
  let startedAt = 0;
  let incarnation = 1;
  let backoffMs = FIRST_BACKOFF_MS;
  let nextId = 1;
  let job: Job | undefined;
  let queue: Job[] = [];
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
    const own = startHostProcess(options.launch(), log, {
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
    if (
      !job ||
      body[0] !== KIND.ANSWER ||
      body.readUInt32LE(1) !== job.id ||
      first !== job.answers.length ||
      first + answers.length > job.count
    ) {
      throw new Error("sent an answer that nobody asked for");
    }
    job.answers.push(...answers);
    if (job.answers.length < job.count) return;
    const done = job;
    job = undefined;
    remember(done);
    finish(done, done.answers);
    pump();
  }

  // A new process is set up as the old one was, before anybody calls it.
  function remember({ action, calls, answers }: Job): void {
    const ok = answers[0]?.code === CODE.OK;
    if (action === "SETUP" && ok) setup ??= calls[0];
    if (action === "REST" && ok) setup = undefined;
  }

  function restoreSetup(): void {
    if (setup === undefined) {
      ready();
      return;
    }
    const again = enqueue("SETUP", [setup], SETUP_MS, true);
    again.then(([answer]) => {
      if (answer?.code === CODE.OK) ready();
      else if (host)
        down(host, CODE.DIED, `could not be set up again: ${answer?.value.toString("utf8").slice(0, 200)}`);
    });
    pump(true);
  }

  function ready(): void {
    become("READY", null);
    pump();
  }

  function pump(first = false): void {
    if (job || (state !== "READY" && !first)) return;
    job = queue.shift();
    if (job) host?.write(job.frame);
  }

  function enqueue(
    action: HostAction,
    calls: readonly HostCall[],
    timeoutMs: number,
    front = false,
  ): Promise<Answer[]> {
    return new Promise((resolve) => {
      const id = nextId++ >>> 0;
      const added: Job = {
        id,
        frame: encodeFrame(KIND[action], id, calls),
        count: calls.length,
        answers: [],
        action,
        calls,
        resolve,
        timer: setTimeout(() => expire(added), timeoutMs),
      };
      if (front) queue.unshift(added);
      else queue.push(added);
    });
  }

  function finish(done: Job, answers: Answer[]): void {
    clearTimeout(done.timer);
    done.resolve(answers);
  }

  function expire(late: Job): void {
    if (job === late && host) {
      down(host, CODE.TIMEOUT, "did not answer in time; it was ended and started again, its memory is lost");
      return;
    }
    queue = queue.filter((waiting) => waiting !== late);
    finish(late, filled(late, CODE.TIMEOUT, "waited in the queue until its deadline"));
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
    incarnation++;
    become("DOWN", `The model's process ${why}`);
    for (const each of lost) finish(each, filled(each, code, `the model's process ${why}`));
    timer = setTimeout(start, backoffMs);
    backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS);
  }

  start();
  return {
    log,
    state: () => state,
    incarnation: () => incarnation,
    reason: () => reason,
    async run(action, calls, timeoutMs) {
      if (state === "DOWN" || state === "STOPPED")
        return calls.map(() => finding(CODE.NOT_READY, reason ?? "the model is stopped"));
      if (queue.length >= QUEUE_LIMIT) throw new Error("BUSY");
      const answers = enqueue(action, calls, timeoutMs);
      pump();
      return answers;
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
      for (const each of lost) finish(each, filled(each, CODE.NOT_READY, "the model was stopped"));
      await host?.exited;
    },
  };
}
