import type { ServiceError } from "@grpc/grpc-js";
import { CODE, statusOf } from "../protocol/answer-code.ts";
import type { CallManyRequest, CallManyResponse, FleetAnswer, SetupOneRequest } from "../protocol/fleet-messages.ts";
import { messageType, type SetupRequest, type StatusResponse, type WireStatus } from "../protocol/messages.ts";
import { CHANNEL } from "./channel.ts";
import { deadlineExceeded, failure, type Outcome, outcomeOf, outcomeOfError, unreachable } from "./outcome.ts";
import { plainChannel } from "./plain-channel.ts";
import { CallAborted } from "./runner-channel.ts";

// A message holds answers of at most 1 MiB together, and one more of at most 4 MiB.
const MAX_RECEIVE_BYTES = 6 << 20;
const MAX_SEND_BYTES = 16 << 20;
/** Our clock ends the round; the stream gets this much longer, for what the runner has to say about it. */
const STREAM_GRACE_MS = 1000;
const SERVICE = "/almanac.fleet.Fleet";
const request = messageType<CallManyRequest>("almanac.fleet.CallManyRequest");
const response = messageType<CallManyResponse>("almanac.fleet.CallManyResponse");
const setupOne = messageType<SetupOneRequest>("almanac.fleet.SetupOneRequest");
const setupResponse = messageType<StatusResponse>("dynamic_subclass.SetupResponse");

/** What a runner said of one call. Times in microseconds; waiting is all but the method itself. */
export interface FleetOutcome {
  readonly outcome: Outcome;
  readonly runUs: number;
  readonly waitUs: number;
  /** the model had this key already and was spared the call */
  readonly isRepeated: boolean;
}
type OutcomeSink = (target: number, call: number, outcome: FleetOutcome) => void;

/** One connection to a runner, for all of its models. */
export interface FleetConnection {
  ready(timeoutMs: number): Promise<void>;
  setup(deployment: string, setup: SetupRequest, timeoutMs: number): Promise<WireStatus>;
  /** Never rejects: resolves when the stream has ended; a call without an outcome by then has none. */
  callMany(wanted: CallManyRequest, signal: AbortSignal, sink: OutcomeSink): Promise<Outcome | undefined>;
  close(): void;
}

function connectFleet(address: string): FleetConnection {
  const channel = plainChannel(address, {
    ...CHANNEL,
    "grpc.max_receive_message_length": MAX_RECEIVE_BYTES,
    "grpc.max_send_message_length": MAX_SEND_BYTES,
  });
  return {
    ready: channel.ready,
    async setup(deployment, setup, timeoutMs) {
      const bytes = setupOne.serialize({ deployment, setup });
      const request = { path: `${SERVICE}/Setup`, bytes, parse: setupResponse.deserialize };
      const { response: answer } = await channel.unary({ ...request, deadlineAt: Date.now() + timeoutMs });
      return answer.status ?? { code: "", message: "" };
    },
    async callMany(wanted, signal, sink) {
      const tables: Promise<void>[] = [];
      const following = channel.follow({
        path: `${SERVICE}/CallMany`,
        bytes: request.serialize(wanted),
        parse: response.deserialize,
        deadlineAt: Date.now() + wanted.deadline_ms + STREAM_GRACE_MS,
        signal,
        onMessage({ answers }) {
          for (const answer of answers) {
            const found = outcomeOfAnswer(answer);
            if (found instanceof Promise) tables.push(found.then((outcome) => tell(answer, outcome, sink)));
            else tell(answer, found, sink);
          }
        },
      });
      const end = await following.then(() => undefined, outcomeOfEnd);
      await Promise.all(tables);
      return end;
    },
    close: () => channel.close(),
  };
}

function tell({ target, call, code, run_us, wait_us }: FleetAnswer, outcome: Outcome, sink: OutcomeSink): void {
  sink(target, call, { outcome, runUs: run_us, waitUs: wait_us, isRepeated: code === CODE.ALREADY_DELIVERED });
}
const outcomeOfEnd = (error: Error): Outcome =>
  error instanceof CallAborted ? deadlineExceeded() : outcomeOfError(error as ServiceError);

/** What cannot be judged is that answer's failure, nobody else's. */
function outcomeOfAnswer(answer: FleetAnswer): Promise<Outcome> | Outcome {
  try {
    return judged(answer);
  } catch (error) {
    return failure("MODEL", `INTERNAL: ${(error as Error).message}`);
  }
}

/** The same judgement as over the public wire. */
function judged({ code, value, detail }: FleetAnswer): Promise<Outcome> | Outcome {
  switch (code) {
    case CODE.OK:
      return outcomeOf({ status: null, methodResponse: value ?? null });
    case CODE.ALREADY_DELIVERED:
      return { status: "SUCCESS", output: null, detail: "ALREADY_DELIVERED", cause: "ANSWER" };
    case CODE.TIMEOUT:
      return deadlineExceeded();
    case CODE.BUSY:
      return deadlineExceeded("RESOURCE_EXHAUSTED: Server busy");
    case CODE.NO_MODEL:
      return unreachable(detail);
    default:
      return outcomeOf({ status: statusOf(code, detail) });
  }
}

/** Connections by address, each open as long as a lane holds it. */
export interface FleetConnections {
  take(address: string): FleetConnection;
  release(address: string): void;
}

export function createFleetConnections(): FleetConnections {
  const open = new Map<string, { connection: FleetConnection; holders: number }>();
  return {
    take(address) {
      const entry = open.get(address) ?? { connection: connectFleet(address), holders: 0 };
      entry.holders++;
      open.set(address, entry);
      return entry.connection;
    },
    release(address) {
      const entry = open.get(address);
      if (!entry || --entry.holders > 0) return;
      open.delete(address);
      entry.connection.close();
    },
  };
}
