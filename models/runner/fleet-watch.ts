import { MODEL_STATE, type ModelStateMessage, type WatchResponse } from "../protocol/fleet-messages.ts";
import type { Follower } from "./rpc.ts";

/** Changes that come together are told together. */
const GATHER_MS = 20;

/** What a watcher knows. */
interface Told {
  readonly models: Map<string, ModelStateMessage>;
  isSlow: boolean;
}

/** Tells whoever watches a runner of its models. */
export interface FleetWatch {
  /** A new watcher: gets all models now, and what changes from then on. */
  add(watcher: Follower): void;
  /** Something of the models may be another than it was. */
  changed(): void;
  close(): void;
}

export function createFleetWatch(list: () => readonly ModelStateMessage[]): FleetWatch {
  const watchers = new Map<Follower, Told>();
  let timer: NodeJS.Timeout | undefined;

  /** A watcher that reads slowly is told later, of the latest state only. */
  function tell(watcher: Follower, told: Told): void {
    if (told.isSlow) return;
    const now = new Map(list().map((model) => [model.deployment, model]));
    const news = [...now.values()].filter((model) => isAnother(told.models.get(model.deployment), model));
    const gone = [...told.models.values()].filter(({ deployment }) => !now.has(deployment));
    for (const model of news) told.models.set(model.deployment, model);
    for (const { deployment } of gone) told.models.delete(deployment);
    const models = [...news, ...gone.map((model) => ({ ...model, state: MODEL_STATE.GONE, why: "" }))];
    const message: WatchResponse = { models };
    if (models.length > 0) told.isSlow = !watcher.send(message);
  }

  function tellAll(): void {
    timer = undefined;
    for (const [watcher, told] of watchers) tell(watcher, told);
  }

  return {
    add(watcher) {
      const told: Told = { models: new Map(), isSlow: false };
      watchers.set(watcher, told);
      watcher.onDrain(() => {
        told.isSlow = false;
        tell(watcher, told);
      });
      watcher.onClose(() => watchers.delete(watcher));
      tell(watcher, told);
    },
    changed() {
      if (watchers.size > 0) timer ??= setTimeout(tellAll, GATHER_MS);
    },
    close() {
      clearTimeout(timer);
      for (const watcher of watchers.keys()) watcher.end();
      watchers.clear();
    },
  };
}

/** What a model printed is told with its next state, and is none by itself. */
const isAnother = (before: ModelStateMessage | undefined, now: ModelStateMessage): boolean =>
  before?.state !== now.state || before.incarnation !== now.incarnation || before.why !== now.why;
