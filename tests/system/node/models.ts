import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { stringify } from "yaml";

const BASE_PACKAGE = resolve(import.meta.dirname, "../../../competitions/realtime/challenge");

/** Bodies of `predict`; `tick` keeps the last close in self.last and the one before in self.before. */
export const BEHAVIOUR = {
  steady: "return {'value': 0.001}",
  follower: "return {'value': (self.last - self.before) / self.before}",
  contrarian: "return {'value': -(self.last - self.before) / self.before}",
  /** collecting takes long enough to be met in the middle */
  ponders: "import time; time.sleep(0.3); return {'value': (self.before - self.last) / self.before}",
  raises: "raise ValueError('I cannot do this')",
  exits: "import os; os._exit(3)",
  notANumber: "return {'value': float('nan')}",
  wrongShape: "return ['up', 'down']",
  huge: "return {'value': 'x' * (50 * 1024 * 1024)}",
  hangs: "import time; time.sleep(30); return {'value': 0.0}",
  leaks:
    "print('CANARY_STDOUT'); import sys; print('CANARY_STDERR', file=sys.stderr); raise ValueError('CANARY_MESSAGE')  # CANARY_SOURCE",
  unbearable: "return {'value': 666}",
} as const;
/** A named behaviour, or a whole program of its own. */
export type Behaviour = keyof typeof BEHAVIOUR | { readonly source: string };

const source = (behaviour: Behaviour): string =>
  typeof behaviour === "string" ? programOf(behaviour) : behaviour.source;

const programOf = (behaviour: keyof typeof BEHAVIOUR): string => `from tracker import TrackerBase


class Model(TrackerBase):
    def __init__(self):
        super().__init__()
        self.last = self.before = 1.0

    def tick(self, data):
        closes = [c["close"] for c in self.candles(data)]
        self.last = closes[-1]
        self.before = closes[-2] if len(closes) > 1 else closes[-1]

    def predict(self, subject, resolve_horizon_seconds, step_seconds):
        ${BEHAVIOUR[behaviour].replaceAll("; ", "\n        ")}
`;

/** Writes one model per name and a models.yaml that lists them; the name is the model's id, its cruncher is cruncher-<name>. */
export function writeModels(folder: string, crunchId: string, models: Record<string, Behaviour>): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, behaviour] of Object.entries(models)) writeFileSync(join(folder, `${name}.py`), source(behaviour));
  const file = join(folder, "models.yaml");
  const entries = Object.keys(models).map((name) => ({
    id: name,
    name,
    submission_id: name,
    code: `${name}.py`,
    crunch_id: crunchId,
    cruncher_id: `cruncher-${name}`,
    cruncher_name: name,
    model_name: name,
    desired_state: "RUNNING",
    trusted: true,
  }));
  writeFileSync(file, stringify({ packages: [BASE_PACKAGE], models: entries }));
  return file;
}
