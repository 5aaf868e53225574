import type { FleetTarget, KeyedCall } from "../protocol/fleet-messages.ts";
import type { FleetConnection, FleetOutcome } from "./fleet-connection.ts";
import { deadlineExceeded, type Outcome, unreachable } from "./outcome.ts";

/** Answers of a large fleet take longer to come in: each message of the runner waits longer for more of them. The last never waits. */
const SEATS_A_FLUSH_MS = 12;
const MAX_FLUSH_MS = 20;

interface Seat {
  readonly target: FleetTarget;
  /** by call of the request */
  readonly outcomes: (FleetOutcome | undefined)[];
  missing: number;
  readonly done: (outcomes: FleetOutcome[]) => void;
}

/** Gathers the models of one fan-out by their runners; `send` then makes one request to each runner. */
export interface FleetFanOut {
  /** Before `send`. `done` gets one outcome for each call: once, and whatever happens. */
  join(connection: FleetConnection, deployment: string, done: (outcomes: FleetOutcome[]) => void): void;
  send(): void;
}

export function createFleetFanOut(options: {
  readonly roundId: string;
  readonly calls: readonly KeyedCall[];
  /** epoch ms */
  readonly deadlineAt: number;
  readonly stopOnFailure: boolean;
  readonly signal: AbortSignal;
}): FleetFanOut {
  const { calls, signal } = options;
  const begun = performance.now();
  const groups = new Map<FleetConnection, Seat[]>();

  const found = (outcome: Outcome): FleetOutcome => ({
    outcome,
    runUs: 0,
    waitUs: Math.round((performance.now() - begun) * 1000),
    isRepeated: false,
  });

  function take(seat: Seat, call: number, outcome: FleetOutcome): void {
    if (call >= calls.length || seat.outcomes[call] !== undefined) return;
    seat.outcomes[call] = outcome;
    if (--seat.missing === 0) seat.done(seat.outcomes as FleetOutcome[]);
  }

  async function call(connection: FleetConnection, seats: readonly Seat[]): Promise<void> {
    const wanted = {
      round_id: options.roundId,
      targets: seats.map((seat) => seat.target),
      calls: [...calls],
      deadline_ms: Math.max(1, options.deadlineAt - Date.now()),
      flush_ms: Math.min(MAX_FLUSH_MS, Math.ceil(seats.length / SEATS_A_FLUSH_MS)),
      stop_on_failure: options.stopOnFailure,
    };
    const end = await connection.callMany(wanted, signal, (target, index, outcome) => {
      const seat = seats[target];
      if (seat) take(seat, index, outcome);
    });
    const rest = found(end ?? unreachable("the runner ended the round without an answer"));
    for (const seat of seats) for (let index = 0; index < calls.length; index++) take(seat, index, rest);
  }

  return {
    join(connection, deployment, done) {
      const target = { deployment, calls: [], deadline_ms: 0 };
      const seat: Seat = { target, outcomes: calls.map(() => undefined), missing: calls.length, done };
      const seats = groups.get(connection);
      if (seats) seats.push(seat);
      else groups.set(connection, [seat]);
    },
    send() {
      if (calls.length === 0) for (const seat of [...groups.values()].flat()) seat.done([]);
      const late = signal.aborted ? found(deadlineExceeded()) : undefined;
      for (const [connection, seats] of calls.length === 0 ? [] : groups) {
        if (late) for (const seat of seats) calls.forEach((_call, index) => void take(seat, index, late));
        else void call(connection, seats);
      }
    },
  };
}
