import { expect, test } from "vitest";
import { MODEL_STATE, type ModelStateMessage } from "../protocol/fleet-messages.ts";
import { createFleetWatch } from "./fleet-watch.ts";
import { healthMethods } from "./health-methods.ts";
import type { Follower } from "./rpc.ts";

/** Somebody who follows, and reads when the test says so. */
function follower() {
  const listeners: { drain?: () => void; close?: () => void } = {};
  const reader = { isSlow: false, heard: [] as unknown[] };
  const own: Follower = {
    send(message) {
      reader.heard.push(message);
      return !reader.isSlow;
    },
    onDrain: (listener) => {
      listeners.drain = listener;
    },
    onClose: (listener) => {
      listeners.close = listener;
    },
    end: () => undefined,
  };
  const read = () => {
    reader.isSlow = false;
    listeners.drain?.();
  };
  return { own, reader, read, leave: () => listeners.close?.() };
}

test("who reads a model's health slowly has one state waiting, and hears the latest when it has read", () => {
  let isServing = true;
  const health = healthMethods([], () => isServing);
  const watch = health.methods.find(({ follow }) => follow)?.follow;
  const { own, reader, read, leave } = follower();
  reader.isSlow = true;
  watch?.({ service: "" }, own);
  for (let i = 0; i < 1000; i++) {
    isServing = !isServing;
    health.changed();
  }
  expect(reader.heard).toEqual([{ status: 1 }]);
  isServing = false;
  read();
  expect(reader.heard).toEqual([{ status: 1 }, { status: 2 }]);
  isServing = true;
  health.changed();
  expect(reader.heard).toHaveLength(3);
  leave();
  health.changed();
  expect(reader.heard).toHaveLength(3);
});

test("who watches a fleet slowly hears the latest of each model when it has read", async () => {
  let incarnation = 1;
  const model = (): ModelStateMessage => ({
    deployment: "d",
    model: "m",
    state: MODEL_STATE.RUNNING,
    why: "",
    incarnation,
    dropped_log_bytes: 0,
  });
  const watch = createFleetWatch(() => [model()]);
  const { own, reader, read } = follower();
  reader.isSlow = true;
  watch.add(own);
  for (; incarnation < 4; incarnation++) {
    watch.changed();
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
  expect(reader.heard).toHaveLength(1);
  read();
  expect(reader.heard.slice(1)).toEqual([{ models: [{ ...model(), incarnation: 4 }] }]);
  watch.close();
});
