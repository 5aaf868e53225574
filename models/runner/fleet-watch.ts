import type { ServerWritableStream } from "@grpc/grpc-js";
import { MODEL_STATE, type ModelStateMessage, type WatchResponse } from "../protocol/fleet-messages.ts";

/** Changes that come together are told together. */
const GATHER_MS = 20;

type WatchStream = ServerWritableStream<unknown, WatchResponse>;

/** Tells whoever watches a runner of its models. */
export interface FleetWatch {
  /** A new watcher: gets all models now, and what changes from then on. */
  add(stream: WatchStream): void;
  /** Something of the models may be another than it was. */
  changed(): void;
  close(): void;
}

export function createFleetWatch(list: () => readonly ModelStateMessage[]): FleetWatch {
  const watchers = new Map<WatchStream, Map<string, ModelStateMessage>>();
  let timer: NodeJS.Timeout | undefined;

  /** A watcher that reads slowly is told later, of the latest state only. */
  function tell(stream: WatchStream, told: Map<string, ModelStateMessage>): void {
    if (stream.writableNeedDrain) return;
    const now = new Map(list().map((model) => [model.deployment, model]));
    const news = [...now.values()].filter((model) => isAnother(told.get(model.deployment), model));
    const gone = [...told.values()].filter(({ deployment }) => !now.has(deployment));
    for (const model of news) told.set(model.deployment, model);
    for (const { deployment } of gone) told.delete(deployment);
    const models = [...news, ...gone.map((model) => ({ ...model, state: MODEL_STATE.GONE, why: "" }))];
    if (models.length > 0) stream.write({ models });
  }

  function tellAll(): void {
    timer = undefined;
    for (const [stream, told] of watchers) tell(stream, told);
  }

  return {
    add(stream) {
      const told = new Map<string, ModelStateMessage>();
      watchers.set(stream, told);
      stream.on("drain", () => tell(stream, told));
      stream.on("cancelled", () => watchers.delete(stream));
      tell(stream, told);
    },
    changed() {
      if (watchers.size > 0) timer ??= setTimeout(tellAll, GATHER_MS);
    },
    close() {
      clearTimeout(timer);
      for (const stream of watchers.keys()) stream.end();
      watchers.clear();
    },
  };
}

/** What a model printed is told with its next state, and is none by itself. */
const isAnother = (before: ModelStateMessage | undefined, now: ModelStateMessage): boolean =>
  before?.state !== now.state || before.incarnation !== now.incarnation || before.why !== now.why;
